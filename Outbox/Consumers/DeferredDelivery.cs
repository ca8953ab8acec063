using System.Data.Common;
using Newtonsoft.Json;
using Outbox.Messages;
using Outbox.Transport;

namespace Outbox.Consumers;

/// <summary>A deferred message, as if it were delivered again. There is nobody to accept it from: its row is dealt with by the transaction that applies it.</summary>
internal sealed class DeferredDelivery : Delivery
{
    /// <summary>From the columns original_id, type, headers, content_type and body, the first of which is given.</summary>
    public static DeferredDelivery Read(DbDataReader reader, int ordinal) => new()
    {
        MessageId = TextOf(reader, ordinal),
        Type = TextOf(reader, ordinal + 1),
        Headers = TextOf(reader, ordinal + 2) is { } headers ? JsonConvert.DeserializeObject<Dictionary<string, string>>(headers)! : Envelope.NoHeaders,
        ContentType = TextOf(reader, ordinal + 3),
        Body = reader.GetFieldValue<byte[]>(ordinal + 4),
        Redelivered = true,
    };

    private static string? TextOf(DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetString(ordinal);

    public override ValueTask AcceptAsync() => ValueTask.CompletedTask;

    public override ValueTask RequeueAsync() => ValueTask.CompletedTask;

    public override ValueTask RejectAsync() => ValueTask.CompletedTask;
}
