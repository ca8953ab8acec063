using Microsoft.Extensions.Logging;

namespace Outbox.RabbitMQ;

/// <summary>Log messages of the transport. Ids: 2000 connections, 2100 subscriptions.</summary>
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
}
