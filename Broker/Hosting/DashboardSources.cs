using Broker.Dashboard;

namespace Broker.Hosting;

/// <summary>The sources for the dashboard and the jobs, each with a pool of its own. A source whose settings stay the same stays the same object. Thread-safe.</summary>
internal sealed class DashboardSources : IDashboardSources, IAsyncDisposable
{
    /// <summary>Who looks is told from who relays where the database lists its connections.</summary>
    private const string ApplicationName = "broker dashboard";

    private readonly Lock _gate = new();
    private IReadOnlyList<(SourceSettings Settings, DashboardSource Source)> _current = [];

    public DashboardSources(BrokerSettings settings) => _current = [.. settings.Sources.Select(s => (s, Create(s)))];

    public IReadOnlyList<DashboardSource> Current
    {
        get
        {
            lock (_gate)
                return [.. _current.Select(c => c.Source)];
        }
    }

    /// <summary>Takes a configuration over. What still runs on a source that is gone ends in order: its connections close when they are given back.</summary>
    public async ValueTask TakeAsync(BrokerSettings settings)
    {
        List<DashboardSource> gone;
        lock (_gate)
        {
            var before = _current;
            _current = [.. settings.Sources.Select(s => before.FirstOrDefault(b => b.Settings == s) is { Source: not null } known ? known : (s, Create(s)))];
            gone = [.. before.Select(b => b.Source).Except(_current.Select(c => c.Source))];
        }
        foreach (var source in gone)
            await source.DataSource.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in Current)
            await source.DataSource.DisposeAsync();
    }

    private static DashboardSource Create(SourceSettings settings) => new()
    {
        Name = settings.Name,
        Dialect = settings.Dialect,
        DataSource = DataSources.Create(settings.Dialect, settings.ConnectionString, applicationName: ApplicationName),
        Exchange = settings.Exchange,
        Options = settings.Relay,
    };
}
