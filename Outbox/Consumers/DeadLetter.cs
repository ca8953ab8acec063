namespace Outbox.Consumers;

/// <summary>A row of the table <c>dead_letters</c>: a message that could not be delivered or handled, with its reason.</summary>
public sealed class DeadLetter
{
    /// <summary>Number of the dead letter.</summary>
    public long Id { get; internal set; }

    /// <summary>Where it failed: <c>consumer</c> or <c>relay</c>.</summary>
    public string Side { get; internal set; } = "";

    /// <summary>The consumer that could not handle it; on the relay's side the row's number in the outbox, so that two rows of one id are two dead letters.</summary>
    public string Consumer { get; internal set; } = "";

    /// <summary>The source that the message came from, if it said so.</summary>
    public string? Source { get; internal set; }

    /// <summary>Message id, or <see langword="null"/> when the message had none.</summary>
    public Guid? MessageId { get; internal set; }

    /// <summary>The id as the sender wrote it.</summary>
    public string? OriginalId { get; internal set; }

    /// <summary>Message type, if it had one.</summary>
    public string? Type { get; internal set; }

    /// <summary>Partition key, if it had one.</summary>
    public string? PartitionKey { get; internal set; }

    /// <summary>The headers as a JSON object of strings.</summary>
    public string? Headers { get; internal set; }

    /// <summary>How to read the body.</summary>
    public string? ContentType { get; internal set; }

    /// <summary>The message's bytes.</summary>
    public byte[] Body { get; internal set; } = [];

    /// <summary>Why it was set aside, in one sentence.</summary>
    public string Reason { get; internal set; } = "";

    /// <summary>The last exception's text, cut after 8,000 characters.</summary>
    public string? Error { get; internal set; }

    /// <summary>How often it was tried.</summary>
    public int Attempts { get; internal set; }

    /// <summary>When it was set aside first, in UTC, by the database's clock.</summary>
    public DateTime FirstFailedAt { get; internal set; }

    /// <summary>When it was set aside last, in UTC, by the database's clock.</summary>
    public DateTime LastFailedAt { get; internal set; }

    /// <summary><c>dead</c> while it waits for an operator, <c>blocking</c> if the later messages of its key wait with it, <c>discarded</c> when an operator has given it up.</summary>
    public string State { get; internal set; } = "dead";

    /// <summary>The partition that its row was in; <see langword="null"/> on the consumer's side.</summary>
    public short? Partition { get; internal set; }

    /// <summary>The number of its row, and so its place in the order of its key; <see langword="null"/> on the consumer's side.</summary>
    public long? Sequence { get; internal set; }

    /// <summary>The key's own sequence, if the producer gave one; <see langword="null"/> on the consumer's side.</summary>
    public long? KeySequence { get; internal set; }

    /// <summary>When its row was written, in UTC, by the database's clock; <see langword="null"/> on the consumer's side.</summary>
    public DateTime? CreatedAt { get; internal set; }

    /// <summary>When the message expires, if it does; <see langword="null"/> on the consumer's side.</summary>
    public DateTime? ExpiresAt { get; internal set; }
}
