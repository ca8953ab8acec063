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
            await channel.QueueDeclarePassiveAsync(subscription.Queue, cancellationToken).ConfigureAwait(false);
        if (mode != TopologyMode.Declare)
            return;

        var dead = DeadLetterQueueOf(subscription.Queue);
        await DeclareQuorumQueueAsync(channel, dead, [], cancellationToken).ConfigureAwait(false);
        var arguments = new Dictionary<string, object?>
        {
            // G6: dead-lettering is at-most-once by default; this makes it keep the message until the dead-letter queue has confirmed it.
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = dead,
            ["x-dead-letter-strategy"] = "at-least-once",
            ["x-overflow"] = "reject-publish",
        };
        if (subscription.SingleActiveConsumer)
            arguments["x-single-active-consumer"] = true;
        // From 4.0 a quorum queue gives up on a message after 20 deliveries. Attempts are counted by the consumer, which also keeps the reason.
        if (version.Major >= 4)
            arguments["x-delivery-limit"] = -1;
        await DeclareQuorumQueueAsync(channel, subscription.Queue, arguments, cancellationToken).ConfigureAwait(false);
        foreach (var type in subscription.Types)
            await channel.QueueBindAsync(subscription.Queue, subscription.Exchange, type, cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    private static Task<QueueDeclareOk> DeclareQuorumQueueAsync(IChannel channel, string queue, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        arguments["x-queue-type"] = "quorum";
        return channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: cancellationToken);
    }
}
