using Outbox.Messages;

namespace Outbox;

/// <summary>What can be said of a message beside its content. Every property is optional.</summary>
public sealed record MessageOptions
{
    /// <summary>Messages of one key keep their order.</summary>
    /// <value>Default: none, no order wanted.</value>
    public PartitionKey PartitionKey { get; init; }

    /// <summary>The id to use.</summary>
    /// <value>Default: a new UUID version 7.</value>
    public Guid? MessageId { get; init; }

    /// <summary>The key's own sequence: 1, 2, 3 … without a gap, usually the aggregate's version. Needs a partition key.</summary>
    /// <value>Default: none.</value>
    public long? KeySequence { get; init; }

    /// <summary>Further headers, carried to every consumer. Names must not begin with <c>cloudEvents:</c> and hold at most 128 bytes.</summary>
    /// <value>Default: none. The current trace context is added by itself.</value>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = Envelope.NoHeaders;

    /// <summary>Headers that only the library writes, beside those of the caller.</summary>
    internal IReadOnlyDictionary<string, string>? OwnHeaders { get; init; }

    /// <summary>Whether its consumers tell when they have applied it, so that <see cref="IOutbox.WhenAppliedAsync"/> can be asked. Needs <see cref="OutboxBuilder.UseReceipts"/>.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    /// <remarks>It costs one more row here, and one more message from each consumer.</remarks>
    public bool WantsReceipt { get; init; }

    /// <summary>Publish at this time or later (the database's clock). A waiting message does not hold up later ones of its key.</summary>
    /// <value>Default: at once.</value>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Drop the message instead of publishing it after this time (the database's clock).</summary>
    /// <value>Default: never.</value>
    public DateTimeOffset? ExpiresAt { get; init; }
}
