using Outbox.Consumers;

namespace Broker.Tests.Docs;

// The code that docs/operations.md shows. DocumentationTests holds the two together.
internal static class PartitionedQueueExamples
{
    public static void Configure(ConsumerBuilder consumer) =>
        consumer.Handle<OrderPlaced, ReserveStock>().InOrderPerKey(8).Partitions(8);
}
