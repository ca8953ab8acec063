using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Serialization;

namespace Outbox.Messages;

/// <summary>JSON by Newtonsoft.Json: camel-case names, ISO dates, unknown fields ignored, and no type names in the body, written or honoured.</summary>
public sealed class JsonMessageSerializer : IMessageSerializer
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly JsonSerializer _serializer;

    /// <summary>Creates the serializer.</summary>
    /// <param name="configure">Changes to the settings, such as converters. <see cref="JsonSerializerSettings.TypeNameHandling"/> stays <c>None</c> whatever is set: a type name in a message would let its sender choose which class is created.</param>
    public JsonMessageSerializer(Action<JsonSerializerSettings>? configure = null)
    {
        var settings = new JsonSerializerSettings
        {
            ContractResolver = new DefaultContractResolver { NamingStrategy = new CamelCaseNamingStrategy() },
            DateParseHandling = DateParseHandling.DateTimeOffset,
            MaxDepth = 64,
        };
        configure?.Invoke(settings);
        settings.TypeNameHandling = TypeNameHandling.None;
        settings.MetadataPropertyHandling = MetadataPropertyHandling.Ignore;
        _serializer = JsonSerializer.Create(settings);
    }

    /// <inheritdoc/>
    public string ContentType => "application/json";

    /// <inheritdoc/>
    public byte[] Serialize(object message)
    {
        using var stream = new MemoryStream(256);
        using (var text = new StreamWriter(stream, Utf8, leaveOpen: true))
        using (var json = new JsonTextWriter(text))
            _serializer.Serialize(json, message);
        return stream.ToArray();
    }

    /// <inheritdoc/>
    public object Deserialize(ReadOnlyMemory<byte> body, Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        try
        {
            using var text = new PooledText(body.Span, Utf8);
            using var json = new JsonTextReader(text) { CloseInput = false, ArrayPool = PooledText.Buffers };
            var message = _serializer.Deserialize(json, type)
                ?? throw new UnreadableMessageException($"The body is empty or null where a {type.Name} is expected.");
            while (json.Read())
            {
                if (json.TokenType != JsonToken.Comment)
                    throw new UnreadableMessageException($"The body goes on after the end of the {type.Name} (line {json.LineNumber}, position {json.LinePosition}).");
            }
            return message;
        }
        catch (JsonException exception)
        {
            throw new UnreadableMessageException($"The body is not valid JSON for {type.Name}{Place(exception)}.", exception);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            // A constructor or converter of the message class refused a value, or the bytes are not UTF-8.
            throw new UnreadableMessageException($"The body does not fit {type.Name}: {exception.GetType().Name}.", exception);
        }
    }

    private static string Place(JsonException exception) => exception switch
    {
        JsonReaderException reader => $" (line {reader.LineNumber}, position {reader.LinePosition}, at '{reader.Path}')",
        JsonSerializationException serialization => $" (line {serialization.LineNumber}, position {serialization.LinePosition}, at '{serialization.Path}')",
        _ => "",
    };
}
