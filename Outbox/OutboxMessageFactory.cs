using System.Diagnostics;
using System.Text;
using Newtonsoft.Json;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Sagas;

namespace Outbox;

/// <summary>Makes rows from messages, the same for every way of writing them. Their partition is found when they are written.</summary>
internal sealed class OutboxMessageFactory(OutboxOptions options)
{
    /// <summary>For a context that no container made: message types by their attribute, everything else by default.</summary>
    public static OutboxMessageFactory Default { get; } = new(new OutboxOptions { Source = "default" });

    public OutboxMessage Create(object message, MessageOptions about)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(about);
        var type = options.MessageTypes.NameOf(message.GetType());
        var key = about.PartitionKey.Value;
        if (key is { Length: > PartitionKey.MaxLength })
            throw new ArgumentException($"The partition key of {type} has {key.Length} characters; at most {PartitionKey.MaxLength} are allowed. Use an id or a hash of it.", nameof(about));
        if (about.KeySequence is < 1 || (about.KeySequence is not null && key is null))
            throw new ArgumentException($"The key sequence {about.KeySequence} of {type} needs a partition key and starts at 1.", nameof(about));
        var id = about.MessageId ?? Guid.CreateVersion7();
        // Its context travels with the message, so that what becomes of it is told from here on.
        using var activity = OutboxTracing.Source.HasListeners() ? OutboxTracing.Create(options.Exchange, type, id) : null;
        return new OutboxMessage
        {
            MessageId = id,
            PartitionKey = key,
            KeySequence = about.KeySequence,
            Type = type,
            Headers = Headers(about.Headers, about.OwnHeaders, about.WantsReceipt ? options : null),
            ContentType = options.Serializer.ContentType,
            Body = options.Serializer.Serialize(message),
            NotBefore = about.NotBefore?.UtcDateTime,
            ExpiresAt = about.ExpiresAt?.UtcDateTime,
        };
    }

    /// <summary>The headers of a message that says nothing beside its body: the trace that it belongs to.</summary>
    public static string? TraceHeaders() => Headers(Envelope.NoHeaders, own: null, receiptTo: null);

    /// <param name="headers">The caller's.</param>
    /// <param name="own">Further ones of the library.</param>
    /// <param name="receiptTo">The outbox that wants receipts, if it does.</param>
    private static string? Headers(IReadOnlyDictionary<string, string> headers, IReadOnlyDictionary<string, string>? own, OutboxOptions? receiptTo)
    {
        if (receiptTo is { Receipts: null })
            throw new OutboxConfigurationException($"Outbox '{receiptTo.Source}' takes no receipts, so nobody would keep the one that is wanted. Add outbox.UseReceipts().");
        var trace = Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity ? activity : null;
        if (headers.Count == 0 && own is null && trace is null && receiptTo is null)
            return null;
        var all = new Dictionary<string, string>(headers.Count + 3, StringComparer.Ordinal);
        foreach (var (name, value) in headers)
        {
            // AMQP short strings hold 255 bytes; 128 leaves room for any client's own prefix.
            if (name.Length == 0 || Encoding.UTF8.GetByteCount(name) > 128 || name.StartsWith(MessageHeaders.ReservedPrefix, StringComparison.OrdinalIgnoreCase))
                throw new ArgumentException($"Header '{name}' is not allowed: 1 to 128 bytes, not beginning with '{MessageHeaders.ReservedPrefix}'.", nameof(headers));
            // Copied from a message that was received, it would send this one's receipts to that one's source.
            if (name == MessageHeaders.ReceiptTo)
                throw new ArgumentException($"Header '{name}' is written by the library: set WantsReceipt, and leave the header out when you copy those of another message.", nameof(headers));
            // Nor may it answer, or be, the call of a saga that has not sent it.
            if (name.StartsWith(SagaHeaders.Prefix, StringComparison.Ordinal))
                throw new ArgumentException($"Header '{name}' is written by the library: answer a saga by context.ReplyAsync or context.RefuseAsync, and leave the header out when you copy those of another message.", nameof(headers));
            all[name] = value ?? "";
        }
        foreach (var (name, value) in own ?? Envelope.NoHeaders)
            all[name] = value;
        if (receiptTo is not null)
            all[MessageHeaders.ReceiptTo] = receiptTo.Source;
        if (trace is not null)
        {
            all.TryAdd(MessageHeaders.TraceParent, trace.Id!);
            if (!string.IsNullOrEmpty(trace.TraceStateString))
                all.TryAdd(MessageHeaders.TraceState, trace.TraceStateString);
        }
        return JsonConvert.SerializeObject(all);
    }
}
