using System.Globalization;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>Exchanges, queues and bindings: what they are called and how they are declared.</summary>
internal static class RabbitMqTopology
{
    public static string DeadLetterQueueOf(string queue) => queue + ".dead";

    public static async Task EnsureExchangeAsync(IChannel channel, string exchange, TopologyMode mode, CancellationToken cancellationToken)
    {
        if (mode == TopologyMode.Declare)
            await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true, autoDelete: false, cancellationToken: cancellationToken).ConfigureAwait(false);
        else if (mode == TopologyMode.Verify)
            await channel.ExchangeDeclarePassiveAsync(exchange, cancellationToken).ConfigureAwait(false);
    }

    public static async Task EnsureQueueAsync(IChannel channel, SubscriptionOptions subscription, TopologyMode mode, Version version, CancellationToken cancellationToken)
    {
        await EnsureExchangeAsync(channel, subscription.Exchange, mode, cancellationToken).ConfigureAwait(false);
        if (mode == TopologyMode.Verify)
            await channel.QueueDeclarePassiveAsync(subscription.ReadQueue, cancellationToken).ConfigureAwait(false);
        if (mode != TopologyMode.Declare)
            return;
        for (var partition = 0; partition < subscription.Partitions; partition++)
            await DeclareQueueAsync(channel, PartitionSlot.QueueOf(subscription.Queue, partition, subscription.Partitions), subscription.SingleActiveConsumer, version, cancellationToken).ConfigureAwait(false);
        if (subscription.Partitions > 1)
            await DeclareSpreadAsync(channel, subscription, cancellationToken).ConfigureAwait(false);
        foreach (var type in subscription.Types)
        {
            if (subscription.Partitions > 1)
                await channel.ExchangeBindAsync(SpreadOf(subscription), subscription.Exchange, type, cancellationToken: cancellationToken).ConfigureAwait(false);
            else
                await channel.QueueBindAsync(subscription.Queue, subscription.Exchange, type, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The exchange that spreads a consumer's messages over its queues.</summary>
    public static string SpreadOf(SubscriptionOptions subscription) => FormattableString.Invariant($"{subscription.Queue}.of-{subscription.Partitions}");

    /// <summary>Where messages go that carry no slot: those of publishers that are not of this library.</summary>
    public static string RestOf(SubscriptionOptions subscription) => SpreadOf(subscription) + ".rest";

    /// <summary>Bindings by the slot that a message carries. Only when all of them stand may the first message come: one that came earlier could go to another queue than the next of its key.</summary>
    private static async Task DeclareSpreadAsync(IChannel channel, SubscriptionOptions subscription, CancellationToken cancellationToken)
    {
        var (spread, rest) = (SpreadOf(subscription), RestOf(subscription));
        await channel.ExchangeDeclareAsync(rest, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: cancellationToken).ConfigureAwait(false);
        await channel.QueueBindAsync(PartitionSlot.QueueOf(subscription.Queue, 0, subscription.Partitions), rest, "", cancellationToken: cancellationToken).ConfigureAwait(false);
        // G6: a message without a slot is not dropped between the exchanges.
        var arguments = new Dictionary<string, object?> { ["alternate-exchange"] = rest };
        await channel.ExchangeDeclareAsync(spread, ExchangeType.Headers, durable: true, autoDelete: false, arguments, cancellationToken: cancellationToken).ConfigureAwait(false);
        for (var slot = 0; slot < PartitionSlot.Count; slot++)
        {
            var queue = PartitionSlot.QueueOf(subscription.Queue, PartitionSlot.PartitionOf(slot, subscription.Partitions), subscription.Partitions);
            var match = new Dictionary<string, object?> { ["x-match"] = "all", [PartitionSlot.Header] = slot.ToString(CultureInfo.InvariantCulture) };
            await channel.QueueBindAsync(queue, spread, "", match, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task DeclareQueueAsync(IChannel channel, string queue, bool singleActiveConsumer, Version version, CancellationToken cancellationToken)
    {
        var dead = DeadLetterQueueOf(queue);
        await DeclareQuorumQueueAsync(channel, dead, [], cancellationToken).ConfigureAwait(false);
        var arguments = new Dictionary<string, object?>
        {
            // G6: dead-lettering is at-most-once by default; this makes it keep the message until the dead-letter queue has confirmed it.
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = dead,
            ["x-dead-letter-strategy"] = "at-least-once",
            ["x-overflow"] = "reject-publish",
        };
        if (singleActiveConsumer)
            arguments["x-single-active-consumer"] = true;
        // From 4.0 a quorum queue gives up on a message after 20 deliveries. Attempts are counted by the consumer, which also keeps the reason.
        if (version.Major >= 4)
            arguments["x-delivery-limit"] = -1;
        await DeclareQuorumQueueAsync(channel, queue, arguments, cancellationToken).ConfigureAwait(false);
    }

    private static Task<QueueDeclareOk> DeclareQuorumQueueAsync(IChannel channel, string queue, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        arguments["x-queue-type"] = "quorum";
        return channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: cancellationToken);
    }
}
