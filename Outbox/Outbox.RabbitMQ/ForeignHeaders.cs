using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Outbox.Messages;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>Headers of any sender: text and numbers as text, everything else left out. Each is read when somebody asks for it. Thread-safe.</summary>
internal sealed class ForeignHeaders : IReadOnlyDictionary<string, string>
{
    private readonly IDictionary<string, object?> _headers;

    private ForeignHeaders(IDictionary<string, object?> headers) => _headers = headers;

    public static IReadOnlyDictionary<string, string> Read(IReadOnlyBasicProperties properties) =>
        properties.Headers is { Count: > 0 } headers ? new ForeignHeaders(headers) : Envelope.NoHeaders;

    public int Count => _headers.Count(h => TextOf(h.Key, h.Value) is not null);

    public IEnumerable<string> Keys => this.Select(h => h.Key);

    public IEnumerable<string> Values => this.Select(h => h.Value);

    public string this[string key] => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"The message has no header '{key}'.");

    public bool ContainsKey(string key) => TryGetValue(key, out _);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string value)
    {
        value = _headers.TryGetValue(key, out var header) ? TextOf(key, header) : null;
        return value is not null;
    }

    public IEnumerator<KeyValuePair<string, string>> GetEnumerator()
    {
        foreach (var (name, value) in _headers)
        {
            if (TextOf(name, value) is { } text)
                yield return new KeyValuePair<string, string>(name, text);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static string? TextOf(string name, object? value) => value switch
    {
        // For the broker's bindings only; a message that is written on would carry another's.
        _ when name == PartitionSlot.Header => null,
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        string text => text,
        AmqpTimestamp timestamp => timestamp.UnixTime.ToString(CultureInfo.InvariantCulture),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        _ => null,
    };
}
