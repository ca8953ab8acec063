using Broker.Relay;
using Outbox.Transport;

namespace Broker;

/// <summary>The sources that the worker relays, made from its settings. A source whose settings stay the same stays the same object, and so goes on untouched.</summary>
internal sealed class RelaySources(ITransport transport)
{
    private Dictionary<string, (SourceSettings Settings, RelaySource Source)> _current = [];

    /// <summary>The sources as they are now.</summary>
    public IReadOnlyList<RelaySource> Current => [.. _current.Values.Select(c => c.Source)];

    /// <summary>What a new configuration changes, by names.</summary>
    internal sealed record Change(IReadOnlyList<string> Added, IReadOnlyList<string> Changed, IReadOnlyList<string> Removed, IReadOnlyList<RelaySource> Left)
    {
        public bool IsEmpty => Added.Count + Changed.Count + Removed.Count == 0;

        public override string ToString() => string.Join("; ", new[] { ("added", Added), ("changed", Changed), ("removed", Removed) }.Where(c => c.Item2.Count > 0).Select(c => $"{c.Item1}: {string.Join(", ", c.Item2)}"));
    }

    /// <summary>Takes a configuration over.</summary>
    /// <returns>What it changes; the sources that are left have to be stopped before their data sources are disposed of.</returns>
    public Change Take(BrokerSettings settings)
    {
        var (before, after) = (_current, new Dictionary<string, (SourceSettings, RelaySource)>(StringComparer.Ordinal));
        foreach (var source in settings.Sources)
            after[source.Name] = before.TryGetValue(source.Name, out var known) && known.Settings == source ? known : (source, Create(source));
        _current = after;
        return new Change(
            [.. after.Keys.Except(before.Keys)],
            [.. before.Keys.Where(name => after.TryGetValue(name, out var now) && now.Item2 != before[name].Source)],
            [.. before.Keys.Except(after.Keys)],
            [.. before.Values.Select(b => b.Source).Except(after.Values.Select(a => a.Item2))]);
    }

    private RelaySource Create(SourceSettings source) => new()
    {
        Name = source.Name,
        Dialect = source.Dialect,
        DataSource = DataSources.Create(source.Dialect, source.ConnectionString, source.Relay.MaxConnections),
        Transport = transport,
        Exchange = source.Exchange,
        Options = source.Relay,
        Doorbell = source.Doorbell,
        Notify = source.Notify,
    };
}
