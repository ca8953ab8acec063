namespace Outbox;

/// <summary>A row of the table <c>outbox_scheduled</c>, mapped so that migrations create it. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class ScheduledMessage
{
    public long Id { get; set; }

    public short Partition { get; set; }

    public DateTime NotBefore { get; set; }

    public long Sequence { get; set; }

    public Guid MessageId { get; set; }

    public string? PartitionKey { get; set; }

    public long? KeySequence { get; set; }

    public string Type { get; set; } = "";

    public string? Headers { get; set; }

    public string ContentType { get; set; } = "";

    public byte[] Body { get; set; } = [];

    public DateTime CreatedAt { get; set; }

    public DateTime? ExpiresAt { get; set; }
}
