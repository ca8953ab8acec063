using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Newtonsoft.Json;
using Outbox.Inbox;
using Outbox.Messages;
using Outbox.Transport;

namespace Outbox.Consumers;

/// <summary>A delivery as the consumer understands it: AMQP properties first, then CloudEvents attributes, under either of the prefixes in use.</summary>
internal sealed class IncomingMessage
{
    private const int SourceLimit = 100;

    private const int PartitionKeyLimit = Messages.PartitionKey.MaxLength;

    // A message that lacks an attribute asks for it under both names, and there are few of them.
    private static readonly ConcurrentDictionary<string, string> OtherNames = new(StringComparer.Ordinal);

    private long? _keySequence;

    /// <param name="delivery">The delivery.</param>
    /// <param name="row">Its row, if it was deferred.</param>
    public IncomingMessage(Delivery delivery, DeferredRow? row = null)
    {
        (Delivery, Row) = (delivery, row);
        OriginalId = Text(delivery.MessageId) ?? Attribute(MessageHeaders.Id);
        MessageId = row?.MessageId ?? MessageIds.Parse(OriginalId);
        Type = Text(delivery.Type) ?? Attribute(MessageHeaders.Type);
        PartitionKey = Attribute(MessageHeaders.PartitionKey);
        Source = Attribute(MessageHeaders.Source);
        OrderKey = PartitionKey is { } key ? KeyOf(key, PartitionKeyLimit) : null;
    }

    public Delivery Delivery { get; }

    public string? OriginalId { get; }

    public Guid? MessageId { get; }

    public string? Type { get; }

    public string? PartitionKey { get; }

    public string? Source { get; }

    /// <summary>When its row was written, if the message says so.</summary>
    public DateTimeOffset? WrittenAt => DateTimeOffset.TryParse(Attribute(MessageHeaders.Time), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var written) ? written : null;

    /// <summary>The key's own sequence, if the message has one.</summary>
    public long? KeySequence => _keySequence ??= long.TryParse(Attribute(MessageHeaders.KeySequence), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) ? sequence : null;

    /// <summary>The source in the form that fits into a column of its length: itself, its hash, or nothing.</summary>
    public string SourceKey => SourceKeyOf(Source);

    /// <summary>A source in the form of <see cref="SourceKey"/>.</summary>
    public static string SourceKeyOf(string? source) => source is null ? "" : KeyOf(source, SourceLimit);

    /// <summary>The partition key in the form that fits into a column of a key's length: itself, or its hash.</summary>
    public string? OrderKey { get; }

    /// <summary>Its row, if it was deferred.</summary>
    public DeferredRow? Row { get; }

    /// <summary>Failed attempts so far, outages not counted.</summary>
    public int Attempts => Row?.Attempts ?? 0;

    /// <summary>Deferred messages of its key that were read with it, to be tried after it.</summary>
    public IReadOnlyList<IncomingMessage> Following { get; set; } = [];

    /// <summary>Attempts that ended with an outage of a database that was well again right after.</summary>
    public int ShortOutages { get; set; }

    /// <summary>Whether it is handled in a transaction of its own: it has failed, or a transaction with others has.</summary>
    public bool IsAlone { get; set; }

    /// <summary>What it says, if that was read before its turn. Taken once: a handler may have changed it.</summary>
    public ReadableMessage? ReadAhead { get; set; }

    public string? HeadersJson => Delivery.Headers.Count == 0 ? null : JsonConvert.SerializeObject(Delivery.Headers.ToDictionary(h => h.Key, h => h.Value, StringComparer.Ordinal));

    /// <summary>For log lines: the id, or what else there is.</summary>
    public override string ToString() => $"{Type ?? "(no type)"} {OriginalId ?? "(no id)"}";

    /// <summary>An attribute of CloudEvents, by the name that this product gives it, or with the other prefix in use.</summary>
    private string? Attribute(string name) => Text(Delivery.Headers.GetValueOrDefault(name) ?? Delivery.Headers.GetValueOrDefault(OtherNames.GetOrAdd(name, static n => "cloudEvents_" + n[MessageHeaders.ReservedPrefix.Length..])));

    // A foreign key may be longer than ours, or no text that every database takes.
    // Nor may it end in a space: some databases take "a" and "a " for the same.
    private static string KeyOf(string text, int limit) =>
        text.Length <= limit && text is not [.., ' '] && (IsPlain(text) || Fit(text, limit) == text) ? text : Convert.ToHexStringLower(SHA256.HashData(Encoding.Unicode.GetBytes(text)));

    private static string? Text(string? value) => string.IsNullOrWhiteSpace(value) ? null : value;

    // What most keys are, told without a copy.
    private static bool IsPlain(string text) => Ascii.IsValid(text) && !text.Contains('\0');

    /// <summary>Text of others fit for a column: no NUL, which PostgreSQL refuses, and not longer than the column.</summary>
    public static string? Fit(string? value, int length)
    {
        if (value is null)
            return null;
        // A half of a surrogate pair, from a message or left by a cut, would be refused by drivers that encode strictly.
        var fit = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(value)).Replace('\0', '\uFFFD');
        if (fit.Length > length && char.IsHighSurrogate(fit[length - 2]))
            length--;
        return fit.Length <= length ? fit : new StringBuilder(fit, 0, length - 1, length).Append('…').ToString();
    }
}
