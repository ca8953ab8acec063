namespace Outbox.TwoPhaseCommit;

/// <summary>A row of the table <c>transaction_markers</c>: the evidence that a branch has committed. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class TransactionMarker
{
    public string TransactionId { get; set; } = "";

    public string Branch { get; set; } = "";

    public DateTime CreatedAt { get; set; }
}
