using Microsoft.Extensions.Logging;

namespace Outbox.RabbitMQ;

/// <summary>Log messages of the transport. Ids: 2000 connections, 2100 subscriptions, 2200 the doorbell.</summary>
internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Information, "Connected to RabbitMQ {Version} at {Host}:{Port} ({Purpose}).")]
    public static partial void Connected(ILogger logger, string purpose, string host, int port, string version);

    [LoggerMessage(2001, LogLevel.Warning, "Lost the RabbitMQ connection ({Purpose}): {Reason}")]
    public static partial void Disconnected(ILogger logger, string purpose, string reason);

    [LoggerMessage(2002, LogLevel.Warning, "RabbitMQ blocks publishers ({Purpose}): {Reason}. Events wait in their outboxes until it takes messages again.")]
    public static partial void Blocked(ILogger logger, string purpose, string reason);

    [LoggerMessage(2003, LogLevel.Information, "RabbitMQ takes messages again ({Purpose}).")]
    public static partial void Unblocked(ILogger logger, string purpose);

    [LoggerMessage(2100, LogLevel.Warning, "The subscription to queue '{Queue}' was lost; subscribing again.")]
    public static partial void SubscriptionLost(ILogger logger, string queue);

    [LoggerMessage(2101, LogLevel.Warning, "Cannot read queue '{Queue}' and tries again: {Error}")]
    public static partial void SubscriptionFailed(ILogger logger, string queue, string error);

    [LoggerMessage(2200, LogLevel.Warning, "Rings for relays in other processes are dropped until RabbitMQ is back; meanwhile relays look by themselves. {Error}")]
    public static partial void DoorbellAway(ILogger logger, string error);

    [LoggerMessage(2201, LogLevel.Information, "Relays in other processes are rung for again.")]
    public static partial void DoorbellRings(ILogger logger);

    [LoggerMessage(2202, LogLevel.Warning, "RabbitMQ refuses the doorbell, so relays look for rows of other processes by themselves. Allow the user to configure, write and read '{Exchange}.*', declare a direct exchange '{Exchange}', or switch Doorbell off. {Error}")]
    public static partial void DoorbellRefused(ILogger logger, string exchange, string error);

    [LoggerMessage(2203, LogLevel.Warning, "The doorbell is not heard until RabbitMQ is back; meanwhile relays look by themselves. {Error}")]
    public static partial void DoorbellNotHeard(ILogger logger, string error);

    [LoggerMessage(2204, LogLevel.Information, "The doorbell is heard again.")]
    public static partial void DoorbellHeardAgain(ILogger logger);

    [LoggerMessage(2205, LogLevel.Warning, "Queue '{Queue}' gets messages with a key that do not say their partition slot ('{Type}' of source '{Source}'), so all of them come here. Set PartitionSlots in the RabbitMQ options of every relay and publisher, and see 'Partitioned queues' in docs/operations.md.")]
    public static partial void SlotMissing(ILogger logger, string queue, string type, string source);
}
