using System.Diagnostics.CodeAnalysis;

namespace Broker.Relay;

/// <summary>The keys of which a row lies in <c>dead_letters</c> and whose later rows wait for an operator. Not thread-safe: one drainer owns it.</summary>
/// <remarks>Of the rows that wait only the sequences are remembered: a key may wait for days while its service goes on writing.</remarks>
internal sealed class BlockedKeys
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _version;

    /// <summary>A blocked key.</summary>
    internal sealed class Entry
    {
        public required string Key { get; init; }

        public string Type { get; set; } = "";

        public string Reason { get; set; } = "";

        /// <summary>When its first dead letter failed first, on the relay's own clock.</summary>
        public long Since { get; set; }

        /// <summary>The sequences of its dead letters: where an operator puts them back.</summary>
        public SortedSet<long> Letters { get; } = [];

        /// <summary>The sequences of the rows that wait, rising.</summary>
        public List<long> Waiting { get; } = [];

        /// <summary>Whether an operator has unblocked it, and its rows are on their way.</summary>
        public bool IsReleased { get; set; }

        /// <summary>Rises with each block of any key.</summary>
        public long Version { get; set; }

        public void Wait(long sequence)
        {
            if (Waiting.Count == 0 || Waiting[^1] < sequence)
            {
                Waiting.Add(sequence);
                return;
            }
            var place = Waiting.BinarySearch(sequence);
            if (place < 0)
                Waiting.Insert(~place, sequence);
        }
    }

    /// <summary>A number that each block raises: what was read before a block says nothing about it.</summary>
    public long Version => _version;

    public bool Any => _entries.Count > 0;

    public IEnumerable<Entry> All => _entries.Values;

    public bool TryGet(string key, [NotNullWhen(true)] out Entry? entry)
    {
        entry = null;
        return _entries.Count > 0 && _entries.TryGetValue(key, out entry);
    }

    public Entry Block(string key, long? letter, string type, string reason, long since)
    {
        if (!_entries.TryGetValue(key, out var entry))
            _entries.Add(key, entry = new Entry { Key = key, Since = since });
        (entry.Type, entry.Reason, entry.IsReleased, entry.Version) = (type, reason, false, ++_version);
        if (letter is { } sequence)
            entry.Letters.Add(sequence);
        return entry;
    }

    public void Remove(Entry entry) => _entries.Remove(entry.Key);
}
