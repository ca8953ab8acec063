using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Outbox.Messages;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>An envelope as AMQP basic properties. One object serves all messages of a channel, because the client encodes it before its call completes.</summary>
/// <remarks>
/// The client copies properties of any other class than its own, headers included, for each message. Its own it encodes as they are, and byte arrays in a header like texts,
/// so the texts that each message needs anew are written into arrays that stay.
/// </remarks>
internal sealed class EnvelopeProperties
{
    private const int ShortText = byte.MaxValue;
    private static readonly byte[] SpecVersion = "1.0"u8.ToArray();

    /// <summary>The values of the partition slot's header, so that a message needs none of its own.</summary>
    private static readonly byte[][] Slots = [.. Enumerable.Range(0, PartitionSlot.Count).Select(s => Encoding.ASCII.GetBytes(s.ToString(CultureInfo.InvariantCulture)))];

    private readonly Dictionary<string, object?> _headers = new(16, StringComparer.Ordinal);
    private readonly BasicProperties _properties = new() { DeliveryMode = DeliveryModes.Persistent };
    private readonly byte[] _id = new byte[36];
    private readonly byte[] _time = new byte[24];

    private readonly bool _partitionSlots;

    /// <param name="partitionSlots">Whether messages carry their partition slot.</param>
    public EnvelopeProperties(bool partitionSlots) => (_properties.Headers, _partitionSlots) = (_headers, partitionSlots);

    /// <summary>The properties of the last envelope; valid until the next <see cref="TryFill"/>.</summary>
    public BasicProperties Properties => _properties;

    /// <summary>Takes <paramref name="envelope"/> over; returns why that is impossible, or null.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="maxBytes">What one frame of the connection holds: properties cannot be split.</param>
    public string? TryFill(Envelope envelope, int maxBytes)
    {
        if (IsTooLong(envelope.Type))
            return $"its type has more than {ShortText} bytes";
        if (IsTooLong(envelope.ContentType))
            return $"its content type has more than {ShortText} bytes";
        // What a caller of the client's own tracing may have added to the last message is gone with it.
        _headers.Clear();
        var characters = 0;
        if (envelope.Headers.Count > 0)
        {
            foreach (var (name, value) in envelope.Headers)
            {
                if (IsTooLong(name))
                    return $"the name of one of its headers has more than {ShortText} bytes";
                // The library's own names are its own: what a producer wrote under them is left out.
                if (name.StartsWith(MessageHeaders.ReservedPrefix, StringComparison.OrdinalIgnoreCase))
                    continue;
                _headers[name] = value;
                characters += name.Length + value.Length;
            }
        }

        var createdAt = DateTime.SpecifyKind(envelope.CreatedAt, DateTimeKind.Utc);
        envelope.MessageId.TryFormat(_id, out _);
        WriteTime(createdAt, _time);
        _headers[MessageHeaders.SpecVersion] = SpecVersion;
        _headers[MessageHeaders.Id] = _id;
        _headers[MessageHeaders.Source] = envelope.Source;
        _headers[MessageHeaders.Type] = envelope.Type;
        _headers[MessageHeaders.Time] = _time;
        if (_partitionSlots)
            _headers[PartitionSlot.Header] = Slots[envelope.PartitionKey is { } key ? Partitioner.PartitionOf(key, PartitionSlot.Count) : (int)(Crc32.HashToUInt32(_id) % PartitionSlot.Count)];
        if (envelope.PartitionKey is not null)
            _headers[MessageHeaders.PartitionKey] = envelope.PartitionKey;
        if (envelope.KeySequence is { } sequence)
            _headers[MessageHeaders.KeySequence] = sequence.ToString(CultureInfo.InvariantCulture);

        _properties.ContentType = envelope.ContentType;
        _properties.MessageId = string.Create(_id.Length, _id, static (text, id) => Encoding.ASCII.GetChars(id, text));
        _properties.Timestamp = new AmqpTimestamp(new DateTimeOffset(createdAt).ToUnixTimeSeconds());
        _properties.Type = envelope.Type;

        // Everything but the producer's headers is short, so mostly an estimate from above tells enough.
        characters += (2 * envelope.Type.Length) + envelope.ContentType.Length + envelope.Source.Length + (envelope.PartitionKey?.Length ?? 0);
        if ((3L * characters) + (5 * _headers.Count) + 512 <= maxBytes)
            return null;
        var bytes = ((IAmqpWriteable)_properties).GetRequiredBufferSize();
        return bytes <= maxBytes ? null : $"its headers take {bytes:N0} bytes; a frame holds {maxBytes:N0}";
    }

    /// <summary>As <c>yyyy-MM-ddTHH:mm:ss.fffZ</c>. The round-trip format needs no pattern to be read for each message; it only has more digits.</summary>
    private static void WriteTime(DateTime time, byte[] text)
    {
        Span<byte> roundTrip = stackalloc byte[28];
        time.TryFormat(roundTrip, out _, "O", CultureInfo.InvariantCulture);
        roundTrip[..23].CopyTo(text);
        text[23] = (byte)'Z';
    }

    private static bool IsTooLong(string text) => text.Length > ShortText / 3 && Encoding.UTF8.GetByteCount(text) > ShortText;
}
