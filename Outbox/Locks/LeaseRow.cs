namespace Outbox.Locks;

/// <summary>A row of the table <c>leases</c>, mapped so that migrations create it. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class LeaseRow
{
    public string Name { get; set; } = "";

    public string Owner { get; set; } = "";

    public long Token { get; set; }

    public DateTime ExpiresAt { get; set; }

    public DateTime? AcquiredAt { get; set; }
}
