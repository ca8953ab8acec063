using System.Globalization;
using System.Text;
using Outbox.Messages;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>Writes envelopes as AMQP properties and reads foreign properties as text. One instance per channel: it reuses its buffers.</summary>
internal sealed class EnvelopeMapping
{
    private readonly Dictionary<string, object?> _headers = new(16, StringComparer.Ordinal);
    private readonly BasicProperties _properties = new() { DeliveryMode = DeliveryModes.Persistent };

    /// <summary>The properties of <paramref name="envelope"/>, valid until the next call.</summary>
    public BasicProperties Write(Envelope envelope)
    {
        var id = envelope.MessageId.ToString("D");
        var createdAt = DateTime.SpecifyKind(envelope.CreatedAt, DateTimeKind.Utc);
        _headers.Clear();
        foreach (var (name, value) in envelope.Headers)
            _headers[name] = value;
        _headers[MessageHeaders.SpecVersion] = "1.0";
        _headers[MessageHeaders.Id] = id;
        _headers[MessageHeaders.Source] = envelope.Source;
        _headers[MessageHeaders.Type] = envelope.Type;
        _headers[MessageHeaders.Time] = createdAt.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        if (envelope.PartitionKey is not null)
            _headers[MessageHeaders.PartitionKey] = envelope.PartitionKey;
        if (envelope.KeySequence is { } sequence)
            _headers[MessageHeaders.KeySequence] = sequence.ToString(CultureInfo.InvariantCulture);
        _properties.MessageId = id;
        _properties.Type = envelope.Type;
        _properties.ContentType = envelope.ContentType;
        _properties.Timestamp = new AmqpTimestamp(new DateTimeOffset(createdAt).ToUnixTimeSeconds());
        _properties.Headers = _headers;
        return _properties;
    }

    /// <summary>Headers of any sender: text and numbers as text, everything else left out.</summary>
    public static Dictionary<string, string> ReadHeaders(IReadOnlyBasicProperties properties)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        if (properties.Headers is null)
            return headers;
        foreach (var (name, value) in properties.Headers)
        {
            var text = value switch
            {
                byte[] bytes => Encoding.UTF8.GetString(bytes),
                string s => s,
                AmqpTimestamp timestamp => timestamp.UnixTime.ToString(CultureInfo.InvariantCulture),
                IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
                bool flag => flag ? "true" : "false",
                _ => null,
            };
            if (text is not null)
                headers[name] = text;
        }
        return headers;
    }
}
