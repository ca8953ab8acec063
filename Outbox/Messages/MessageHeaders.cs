namespace Outbox.Messages;

/// <summary>Names of the headers that a message carries on the wire beside the AMQP properties.</summary>
/// <remarks>The <c>cloudEvents:</c> names follow the CloudEvents 1.0 AMQP binding, so that consumers in any language can read them.</remarks>
public static class MessageHeaders
{
    /// <summary>CloudEvents version, always <c>1.0</c>.</summary>
    public const string SpecVersion = "cloudEvents:specversion";

    /// <summary>Message id, the same as the AMQP property <c>message-id</c>.</summary>
    public const string Id = "cloudEvents:id";

    /// <summary>The source: the service's database that the message was written in.</summary>
    public const string Source = "cloudEvents:source";

    /// <summary>Message type, the same as the AMQP property <c>type</c>.</summary>
    public const string Type = "cloudEvents:type";

    /// <summary>When the row was written, by the database's clock, RFC 3339.</summary>
    public const string Time = "cloudEvents:time";

    /// <summary>Partition key (CloudEvents extension <c>partitionkey</c>). Absent when no order is wanted.</summary>
    public const string PartitionKey = "cloudEvents:partitionkey";

    /// <summary>The key's own sequence (CloudEvents extension <c>sequence</c>). Absent when the producer gave none.</summary>
    public const string KeySequence = "cloudEvents:sequence";

    /// <summary>W3C trace context of the writing request.</summary>
    public const string TraceParent = "traceparent";

    /// <summary>W3C trace state of the writing request.</summary>
    public const string TraceState = "tracestate";

    /// <summary>Says that a message is published again from the archive, and since when that replay has been running (RFC 3339). Its id is the original one, so an inbox that knows it changes nothing.</summary>
    public const string Replay = "outbox-replay";

    /// <summary>The source that wants to know when the message was applied, and by whom; see <see cref="MessageOptions.WantsReceipt"/>. Absent otherwise.</summary>
    public const string ReceiptTo = "outbox-receipt-to";

    /// <summary>The prefix of headers that only the library writes.</summary>
    internal const string ReservedPrefix = "cloudEvents:";
}
