using Outbox.Messages;

namespace Outbox.Transport;

/// <summary>Which of a consumer's partitioned queues a message goes to: a slot from its key, and a queue from the slot.</summary>
/// <remarks>The slot is in the message, so that a broker can route by it with bindings alone, whatever number of queues each consumer has. It is a contract with foreign publishers.</remarks>
internal static class PartitionSlot
{
    /// <summary>The slots, and so the most queues.</summary>
    public const int Count = 64;

    /// <summary>The header that carries the slot, in decimal digits.</summary>
    public const string Header = "outbox-partition-slot";

    /// <summary>CRC-32 of the partition key, modulo the slots; of the message id, as text, when there is no key.</summary>
    public static int Of(Envelope envelope) => Partitioner.PartitionOf(envelope.PartitionKey ?? envelope.MessageId.ToString("D"), Count);

    /// <summary>The partition that reads a slot.</summary>
    public static int PartitionOf(int slot, int partitions) => slot % partitions;

    /// <summary>The name of a partition's queue. The number of partitions is in it, so that two numbers never mix.</summary>
    public static string QueueOf(string queue, int partition, int partitions) => partitions == 1 ? queue : FormattableString.Invariant($"{queue}.{partition}-of-{partitions}");
}
