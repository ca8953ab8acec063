namespace Outbox.Locks;

/// <summary>A row of the table <c>relays</c>, mapped so that migrations create it: a relay that lives until its row expires. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class RelayRow
{
    public string Owner { get; set; } = "";

    public DateTime StartedAt { get; set; }

    public DateTime ExpiresAt { get; set; }

    public string? Status { get; set; }
}
