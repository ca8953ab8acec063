using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Outbox.Messages;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>An envelope as AMQP basic properties, encoded into a buffer that serves all messages of a channel: the client's own properties cost a dictionary and every text twice for each message.</summary>
/// <remarks>Layout: AMQP 0-9-1, 4.2.6.1 (property flags and list) and 4.2.5.5 (field tables). Valid until the next <see cref="TryEncode"/>.</remarks>
internal sealed class EnvelopeProperties : IReadOnlyBasicProperties, IAmqpHeader
{
    private const ushort ContentTypeFlag = 1 << 15;
    private const ushort HeadersFlag = 1 << 13;
    private const ushort DeliveryModeFlag = 1 << 12;
    private const ushort MessageIdFlag = 1 << 7;
    private const ushort TimestampFlag = 1 << 6;
    private const ushort TypeFlag = 1 << 5;
    private const int ShortText = byte.MaxValue;

    private byte[] _buffer = new byte[1_024];
    private int _length;
    private Envelope? _envelope;
    private BasicProperties? _properties;

    /// <summary>Encodes <paramref name="envelope"/>; returns why that is impossible, or null.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="maxBytes">What one frame of the connection holds: properties cannot be split.</param>
    public string? TryEncode(Envelope envelope, int maxBytes)
    {
        (_envelope, _properties, _length) = (envelope, null, 0);
        if (Encoding.UTF8.GetByteCount(envelope.Type) > ShortText)
            return $"its type has more than {ShortText} bytes";
        if (Encoding.UTF8.GetByteCount(envelope.ContentType) > ShortText)
            return $"its content type has more than {ShortText} bytes";
        foreach (var name in envelope.Headers.Keys)
        {
            if (Encoding.UTF8.GetByteCount(name) > ShortText)
                return $"the name of one of its headers has more than {ShortText} bytes";
        }

        var createdAt = DateTime.SpecifyKind(envelope.CreatedAt, DateTimeKind.Utc);
        Span<byte> id = stackalloc byte[36];
        envelope.MessageId.TryFormat(id, out _);
        Span<byte> time = stackalloc byte[24];
        createdAt.TryFormat(time, out _, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

        BinaryPrimitives.WriteUInt16BigEndian(Reserve(2), ContentTypeFlag | HeadersFlag | DeliveryModeFlag | MessageIdFlag | TimestampFlag | TypeFlag);
        Short(envelope.ContentType);
        Reserve(4);
        var table = _length;
        foreach (var (name, value) in envelope.Headers)
        {
            // The library's own names are its own: what a producer wrote under them is left out.
            if (!name.StartsWith(MessageHeaders.ReservedPrefix, StringComparison.OrdinalIgnoreCase))
                Header(name, value);
        }
        Header(MessageHeaders.SpecVersion, "1.0");
        Header(MessageHeaders.Id, id);
        Header(MessageHeaders.Source, envelope.Source);
        Header(MessageHeaders.Type, envelope.Type);
        Header(MessageHeaders.Time, time);
        if (envelope.PartitionKey is not null)
            Header(MessageHeaders.PartitionKey, envelope.PartitionKey);
        if (envelope.KeySequence is { } sequence)
            Header(MessageHeaders.KeySequence, sequence.ToString(CultureInfo.InvariantCulture));
        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(table - 4), _length - table);
        Reserve(1)[0] = (byte)DeliveryModes.Persistent;
        Reserve(1)[0] = (byte)id.Length;
        id.CopyTo(Reserve(id.Length));
        BinaryPrimitives.WriteInt64BigEndian(Reserve(8), new DateTimeOffset(createdAt).ToUnixTimeSeconds());
        Short(envelope.Type);
        return _length <= maxBytes ? null : $"its headers take {_length:N0} bytes; a frame holds {maxBytes:N0}";
    }

    private Span<byte> Reserve(int bytes)
    {
        if (_length + bytes > _buffer.Length)
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + bytes));
        var reserved = _buffer.AsSpan(_length, bytes);
        _length += bytes;
        return reserved;
    }

    private void Short(string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        Reserve(1)[0] = (byte)bytes;
        Encoding.UTF8.GetBytes(text, Reserve(bytes));
    }

    private void Header(string name, string value)
    {
        Short(name);
        Reserve(1)[0] = (byte)'S';
        var bytes = Encoding.UTF8.GetByteCount(value);
        BinaryPrimitives.WriteInt32BigEndian(Reserve(4), bytes);
        Encoding.UTF8.GetBytes(value, Reserve(bytes));
    }

    private void Header(string name, ReadOnlySpan<byte> value)
    {
        Short(name);
        Reserve(1)[0] = (byte)'S';
        BinaryPrimitives.WriteInt32BigEndian(Reserve(4), value.Length);
        value.CopyTo(Reserve(value.Length));
    }

    // ── What the client sends ───────────────────────────────────────────────────────────────────────────────────

    ushort IAmqpHeader.ProtocolClassId => 60;

    int IAmqpWriteable.GetRequiredBufferSize() => _length;

    int IAmqpWriteable.WriteTo(Span<byte> span)
    {
        _buffer.AsSpan(0, _length).CopyTo(span);
        return _length;
    }

    // ── What the client reads when it has to add to it, for its own tracing ─────────────────────────────────────

    private BasicProperties Properties => _properties ??= Decode();

    private BasicProperties Decode()
    {
        var envelope = _envelope!;
        var headers = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, value) in envelope.Headers)
        {
            if (!name.StartsWith(MessageHeaders.ReservedPrefix, StringComparison.OrdinalIgnoreCase))
                headers[name] = value;
        }
        headers[MessageHeaders.SpecVersion] = "1.0";
        headers[MessageHeaders.Id] = envelope.MessageId.ToString("D");
        headers[MessageHeaders.Source] = envelope.Source;
        headers[MessageHeaders.Type] = envelope.Type;
        headers[MessageHeaders.Time] = DateTime.SpecifyKind(envelope.CreatedAt, DateTimeKind.Utc).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        if (envelope.PartitionKey is not null)
            headers[MessageHeaders.PartitionKey] = envelope.PartitionKey;
        if (envelope.KeySequence is { } sequence)
            headers[MessageHeaders.KeySequence] = sequence.ToString(CultureInfo.InvariantCulture);
        return new BasicProperties
        {
            ContentType = envelope.ContentType,
            Headers = headers,
            DeliveryMode = DeliveryModes.Persistent,
            MessageId = envelope.MessageId.ToString("D"),
            Timestamp = new AmqpTimestamp(new DateTimeOffset(DateTime.SpecifyKind(envelope.CreatedAt, DateTimeKind.Utc)).ToUnixTimeSeconds()),
            Type = envelope.Type,
        };
    }

    public string? AppId => null;

    public string? ClusterId => null;

    public string? ContentEncoding => null;

    public string? ContentType => Properties.ContentType;

    public string? CorrelationId => null;

    public DeliveryModes DeliveryMode => DeliveryModes.Persistent;

    public string? Expiration => null;

    public IDictionary<string, object?>? Headers => Properties.Headers;

    public string? MessageId => Properties.MessageId;

    public bool Persistent => true;

    public byte Priority => 0;

    public string? ReplyTo => null;

    public PublicationAddress? ReplyToAddress => null;

    public AmqpTimestamp Timestamp => Properties.Timestamp;

    public string? Type => Properties.Type;

    public string? UserId => null;

    public bool IsAppIdPresent() => false;

    public bool IsClusterIdPresent() => false;

    public bool IsContentEncodingPresent() => false;

    public bool IsContentTypePresent() => true;

    public bool IsCorrelationIdPresent() => false;

    public bool IsDeliveryModePresent() => true;

    public bool IsExpirationPresent() => false;

    public bool IsHeadersPresent() => true;

    public bool IsMessageIdPresent() => true;

    public bool IsPriorityPresent() => false;

    public bool IsReplyToPresent() => false;

    public bool IsTimestampPresent() => true;

    public bool IsTypePresent() => true;

    public bool IsUserIdPresent() => false;
}
