namespace Outbox;

/// <summary>A row of the table <c>outbox_messages</c>: an event that waits for its relay. It is never updated, and deleted once the broker has confirmed it.</summary>
/// <remarks>Written through <see cref="OutboxExtensions.Outbox"/>; mapped so that migrations create the table and that waiting events can be queried.</remarks>
public sealed class OutboxMessage
{
    /// <summary>Position in the outbox, given by the database.</summary>
    public long Sequence { get; internal set; }

    /// <summary>Unique id; consumers deduplicate by it.</summary>
    public Guid MessageId { get; internal set; }

    /// <summary>Partition that the row belongs to; see <see cref="Messages.Partitioner"/>.</summary>
    public short Partition { get; internal set; }

    /// <summary>Rows of one key are published in their order; <see langword="null"/> means that no order is wanted.</summary>
    public string? PartitionKey { get; internal set; }

    /// <summary>The key's own sequence (1, 2, 3 …), or <see langword="null"/>.</summary>
    public long? KeySequence { get; internal set; }

    /// <summary>Stable name of the message type.</summary>
    public string Type { get; internal set; } = "";

    /// <summary>Further headers as a JSON object of strings, or <see langword="null"/>.</summary>
    public string? Headers { get; internal set; }

    /// <summary>How to read the body.</summary>
    public string ContentType { get; internal set; } = "application/json";

    /// <summary>The message's bytes.</summary>
    public byte[] Body { get; internal set; } = [];

    /// <summary>When the row was written, in UTC, by the database's clock.</summary>
    public DateTime CreatedAt { get; internal set; }

    /// <summary>Not published before this time (UTC, the database's clock); <see langword="null"/> = at once.</summary>
    public DateTime? NotBefore { get; internal set; }

    /// <summary>Dropped instead of published after this time (UTC, the database's clock); <see langword="null"/> = never.</summary>
    public DateTime? ExpiresAt { get; internal set; }
}
