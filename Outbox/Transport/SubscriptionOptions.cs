namespace Outbox.Transport;

/// <summary>What a consumer reads, and how much of it at once.</summary>
public sealed record SubscriptionOptions
{
    /// <summary>The queue; with <see cref="Partitions"/>, what the names of the queues begin with.</summary>
    public required string Queue { get; init; }

    /// <summary>The exchange that the queue is bound to.</summary>
    public required string Exchange { get; init; }

    /// <summary>The message types to bind, as routing keys; topic patterns are allowed.</summary>
    public IReadOnlyCollection<string> Types { get; init; } = [];

    /// <summary>Most deliveries handed over and not yet accepted.</summary>
    /// <value>Default: 256.</value>
    public ushort Prefetch { get; init; } = 256;

    /// <summary>Whether the broker serves one consumer of the queue at a time, the others standing by. Keeps the order per key when several processes consume.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    /// <remarks>A property of the queue: changing it needs the queue to be deleted and declared anew.</remarks>
    public bool SingleActiveConsumer { get; init; } = true;

    /// <summary>The number of queues that the messages are spread over by partition key: <c>stock.0-of-8</c> to <c>stock.7-of-8</c>. All of them are declared and bound together.</summary>
    /// <value>Default: 1, the queue itself. At most 64.</value>
    public int Partitions { get; init; } = 1;

    /// <summary>Which of the queues is read, from 0.</summary>
    public int Partition { get; init; }

    /// <summary>The name of the queue that is read.</summary>
    internal string ReadQueue => PartitionSlot.QueueOf(Queue, Partition, Partitions);
}
