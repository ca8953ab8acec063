namespace Outbox.Consumers;

/// <summary>A row of the table <c>deferred_messages</c>: a message that a consumer has taken from its queue and has not applied yet, because it failed, or because an earlier one of its key did.</summary>
public sealed class DeferredMessage
{
    /// <summary>Its number; messages of a key are applied in the order of their numbers.</summary>
    public long Id { get; internal set; }

    /// <summary>The consumer that will apply it.</summary>
    public string Consumer { get; internal set; } = "";

    /// <summary>Message id.</summary>
    public Guid MessageId { get; internal set; }

    /// <summary>Partition key, if it has one; of one longer than 200 characters, its SHA-256 instead. The headers have the key as it is.</summary>
    public string? PartitionKey { get; internal set; }

    /// <summary>The key's own sequence, if the message has one.</summary>
    public long? KeySequence { get; internal set; }

    /// <summary>The source that the message came from, if it said so.</summary>
    public string? Source { get; internal set; }

    /// <summary>The id as the sender wrote it.</summary>
    public string? OriginalId { get; internal set; }

    /// <summary>Message type.</summary>
    public string? Type { get; internal set; }

    /// <summary>The headers as a JSON object of strings.</summary>
    public string? Headers { get; internal set; }

    /// <summary>How to read the body.</summary>
    public string? ContentType { get; internal set; }

    /// <summary>The message's bytes; empty in state <c>dead</c>, when they are in the dead letter.</summary>
    public byte[] Body { get; internal set; } = [];

    /// <summary><c>failed</c>: is tried again; <c>behind</c>: waits for earlier messages of its key; <c>dead</c>: is a dead letter, and the later messages of its key wait for an operator.</summary>
    public string State { get; internal set; } = "";

    /// <summary>Failed attempts; outages of the database are not counted.</summary>
    public int Attempts { get; internal set; }

    /// <summary>Why it waits, in one sentence.</summary>
    public string? Reason { get; internal set; }

    /// <summary>The last exception's text, cut after 8,000 characters.</summary>
    public string? Error { get; internal set; }

    /// <summary>When it was deferred, in UTC, by the database's clock.</summary>
    public DateTime DeferredAt { get; internal set; }

    /// <summary>When it failed last, in UTC, by the database's clock.</summary>
    public DateTime? LastFailedAt { get; internal set; }

    /// <summary>When it is looked at again, in UTC, by the database's clock; <see langword="null"/> while it waits behind another.</summary>
    public DateTime? NextAttemptAt { get; internal set; }
}
