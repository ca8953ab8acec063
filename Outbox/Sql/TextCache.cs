using System.IO.Hashing;

namespace Outbox.Sql;

/// <summary>The last few texts that a column held, so that a thousand rows of one message type do not bring a thousand copies of its name. Not thread-safe.</summary>
internal sealed class TextCache
{
    private readonly Entry[] _entries = new Entry[64];

    private readonly record struct Entry(byte[] Bytes, string Text);

    /// <summary>Where a driver copies the bytes of a text to, before it is looked up.</summary>
    public byte[] Buffer { get; } = new byte[256];

    /// <summary>The text of the first bytes of <see cref="Buffer"/>, or null if it is not known.</summary>
    public string? Find(int length)
    {
        var entry = _entries[Place(length)];
        return entry.Bytes is { } bytes && Buffer.AsSpan(0, length).SequenceEqual(bytes) ? entry.Text : null;
    }

    /// <summary>Remembers what the driver made of those bytes, in place of another text if need be.</summary>
    public string Add(int length, string text)
    {
        _entries[Place(length)] = new Entry(Buffer.AsSpan(0, length).ToArray(), text);
        return text;
    }

    private int Place(int length) => (int)(XxHash3.HashToUInt64(Buffer.AsSpan(0, length)) % (ulong)_entries.Length);
}
