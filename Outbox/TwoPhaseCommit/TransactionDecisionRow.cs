namespace Outbox.TwoPhaseCommit;

/// <summary>A row of the table <c>transaction_decisions</c>, mapped so that migrations create it. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class TransactionDecisionRow
{
    public string TransactionId { get; set; } = "";

    public string Coordinator { get; set; } = "";

    public string Decision { get; set; } = "";

    public string? Reason { get; set; }

    public string DecidedBy { get; set; } = "";

    public string Branches { get; set; } = "";

    public DateTime DecidedAt { get; set; }

    public string? Outcome { get; set; }

    public DateTime? FinishedAt { get; set; }
}
