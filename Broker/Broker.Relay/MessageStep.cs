namespace Broker.Relay;

/// <summary>One step in the life of a message, as one database knows it.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="At">When, UTC, by the clock of that database; a receipt's by that of the consumer.</param>
/// <param name="Source">The source whose database says so.</param>
internal sealed record MessageStep(MessageStepKind Kind, DateTime At, string Source)
{
    /// <summary>The consumer; null on the side of the writer.</summary>
    public string? Consumer { get; init; }

    /// <summary>The message's type.</summary>
    public string? Type { get; init; }

    /// <summary>Its partition key.</summary>
    public string? Key { get; init; }

    /// <summary>Its partition in the outbox.</summary>
    public int? Partition { get; init; }

    /// <summary>Its sequence in the outbox.</summary>
    public long? Sequence { get; init; }

    /// <summary>The state of a deferred message or a dead letter, the outcome of a receipt, or what an operator did.</summary>
    public string? State { get; init; }

    /// <summary>How often it has failed.</summary>
    public int? Attempts { get; init; }

    /// <summary>Why it failed, or why the operator did so.</summary>
    public string? Reason { get; init; }

    /// <summary>When it is tried again, or due.</summary>
    public DateTime? NextAttemptAt { get; init; }

    /// <summary>The number of its dead letter.</summary>
    public long? DeadLetterId { get; init; }

    /// <summary>The operator.</summary>
    public string? Actor { get; init; }

    /// <summary>The part of a consumer's work, if it has several.</summary>
    public string? Operation { get; init; }
}
