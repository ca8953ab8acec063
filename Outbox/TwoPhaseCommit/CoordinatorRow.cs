namespace Outbox.TwoPhaseCommit;

/// <summary>A row of the table <c>transaction_coordinators</c>. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class CoordinatorRow
{
    public string Name { get; set; } = "";

    public string Origin { get; set; } = "";

    public int Incarnation { get; set; }

    public DateTime? RaisedAt { get; set; }

    public string? RaisedBy { get; set; }

    public string? Reason { get; set; }
}
