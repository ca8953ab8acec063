using System.Diagnostics;
using Outbox.Messages;

namespace Outbox.Diagnostics;

/// <summary>The library's activity source, named <c>Outbox</c>. Spans and attributes follow OpenTelemetry's conventions for messaging; docs/telemetry.md lists them.</summary>
internal static class OutboxTracing
{
    public const string System = "messaging.system";
    public const string OperationName = "messaging.operation.name";
    public const string OperationType = "messaging.operation.type";
    public const string Destination = "messaging.destination.name";
    public const string MessageId = "messaging.message.id";
    public const string ConsumerGroup = "messaging.consumer.group.name";
    public const string BatchSize = "messaging.batch.message_count";
    public const string RoutingKey = "messaging.rabbitmq.destination.routing_key";

    public static readonly ActivitySource Source = new("Outbox");

    /// <summary>The span of writing a message into the outbox.</summary>
    public static Activity? Create(string exchange, string type, Guid id) => Source.StartActivity($"create {exchange}", ActivityKind.Producer)?
        .SetTag(System, "rabbitmq").SetTag(OperationName, "create").SetTag(OperationType, "create").SetTag(Destination, $"{exchange}:{type}").SetTag(RoutingKey, type).SetTag(MessageId, id.ToString());

    /// <summary>The context in which a message was written; default if it has none.</summary>
    public static ActivityContext ContextOf(IReadOnlyDictionary<string, string> headers)
    {
        ActivityContext.TryParse(headers.GetValueOrDefault(MessageHeaders.TraceParent), headers.GetValueOrDefault(MessageHeaders.TraceState), isRemote: true, out var context);
        return context;
    }

    /// <summary>Marks a span as failed.</summary>
    public static void Failed(this Activity activity, string errorType, string description) => activity.SetTag(OutboxMetrics.ErrorType, errorType).SetStatus(ActivityStatusCode.Error, description);
}
