using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Dashboard.Snapshots;

/// <summary>Watches every source for all pages and tabs together. Sources come and go with the configuration, and one that is down holds up no other (G7). Thread-safe.</summary>
internal sealed class SnapshotService(IDashboardSources sources, TimeProvider time, ILogger<SnapshotService> logger) : BackgroundService
{
    /// <summary>How long a page waits for a source that nobody has looked at for a while.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _applying = new(1);
    private volatile IReadOnlyList<Watched> _watched = [];

    private sealed record Watched(SourceWatch Watch, CancellationTokenSource Stop, Task Ended);

    /// <summary>How every source stands, in the order of the configuration.</summary>
    public async Task<IReadOnlyList<SourceSnapshot>> LookAsync(CancellationToken cancellationToken)
    {
        await ApplyAsync(cancellationToken).ConfigureAwait(false);
        var watched = _watched;
        await Task.WhenAny(Task.WhenAll(watched.Select(w => w.Watch.LookAsync())), Task.Delay(Patience, time, cancellationToken)).ConfigureAwait(false);
        return [.. watched.Select(w => w.Watch.Current)];
    }

    /// <summary>How one source stands; null if there is none of that name.</summary>
    public async Task<SourceSnapshot?> LookAsync(string name, CancellationToken cancellationToken) => (await LookAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(s => s.Name == name);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await ApplyAsync(stoppingToken).ConfigureAwait(false);
                await Task.Delay(SourceWatch.IdleInterval, time, stoppingToken).ConfigureAwait(false);
            }
        }
        finally
        {
            foreach (var watched in _watched)
                await watched.Stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(_watched.Select(w => w.Ended)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Watches what the configuration names now, and nothing else.</summary>
    private async Task ApplyAsync(CancellationToken cancellationToken)
    {
        var wanted = sources.Current;
        if (_watched.Select(w => w.Watch.Source).SequenceEqual(wanted))
            return;
        await _applying.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var before = _watched;
            _watched = [.. wanted.Select(source => before.FirstOrDefault(w => w.Watch.Source == source) ?? Start(source))];
            foreach (var gone in before.Where(b => !wanted.Contains(b.Watch.Source)))
                await gone.Stop.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            _applying.Release();
        }
    }

    private Watched Start(DashboardSource source)
    {
        var (watch, stop) = (new SourceWatch(source, time, logger), new CancellationTokenSource());
        return new Watched(watch, stop, Task.Run(() => watch.RunAsync(stop.Token)));
    }
}
