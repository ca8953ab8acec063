namespace Outbox;

/// <summary>The one row of the table <c>outbox_settings</c>, mapped so that migrations create it: what all writers and relays of an outbox must agree on. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class OutboxSettings
{
    public short Id { get; set; }

    public short Partitions { get; set; }

    public short? NextPartitions { get; set; }

    public DateTime ChangedAt { get; set; }
}
