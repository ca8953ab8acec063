using System.Diagnostics.CodeAnalysis;
using Outbox.Consumers;

namespace Outbox.Inbox;

/// <summary>The keys that a transaction holds, and where they stand.</summary>
internal sealed class KeyNumbers
{
    private readonly Dictionary<(string Source, string Key), KeyProgress> _keys = [];

    public IEnumerable<KeyProgress> All => _keys.Values;

    public void Add(KeyProgress progress) => _keys[(progress.Source, progress.Key)] = progress;

    public bool Has(string source, string key) => _keys.ContainsKey((source, key));

    /// <summary>Where the key of a message stands; null if it is not held, because the message goes by no number.</summary>
    public bool TryGet(IncomingMessage incoming, [NotNullWhen(true)] out KeyProgress? progress)
    {
        progress = null;
        return _keys.Count > 0 && incoming.OrderKey is { } key && _keys.TryGetValue((incoming.SourceKey, key), out progress);
    }

    public KeyNumbers Copy()
    {
        var copy = new KeyNumbers();
        foreach (var progress in All)
            copy.Add(progress.Copy());
        return copy;
    }
}
