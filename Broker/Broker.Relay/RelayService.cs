using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>Runs the relays of its sources beside each other until the host stops. Sources can come and go meanwhile. Thread-safe.</summary>
internal sealed class RelayService(IReadOnlyList<RelaySource> sources, TimeProvider time, ILogger<RelayService> logger, StepSignals steps) : BackgroundService
{
    private readonly SemaphoreSlim _applying = new(1);
    private readonly List<Running> _running = [];

    private sealed record Running(RelaySource Source, CancellationTokenSource Stop, Task Ended);

    /// <summary>Starts the sources that are new, and stops those that are gone as a stopping host would: what is on its way is settled and the leases are released. A source that is the same object goes on untouched.</summary>
    /// <remarks>A new source that has the name of one that goes begins when that has ended. Completes when all is done.</remarks>
    public async Task ApplyAsync(IReadOnlyList<RelaySource> wanted, CancellationToken cancellationToken)
    {
        await _applying.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var gone = _running.Where(r => !wanted.Contains(r.Source)).ToList();
            var added = wanted.Where(source => _running.All(r => r.Source != source)).ToList();
            foreach (var source in added)
            {
                var before = gone.Find(r => r.Source.Name == source.Name)?.Ended ?? Task.CompletedTask;
                _running.Add(Start(source, before));
            }
            foreach (var running in gone)
                await running.Stop.CancelAsync().ConfigureAwait(false);
            foreach (var running in gone)
            {
                await running.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                running.Stop.Dispose();
                _running.Remove(running);
            }
        }
        finally
        {
            _applying.Release();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ApplyAsync(sources, stoppingToken).ConfigureAwait(false);
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var stop = stoppingToken.Register(stopped.SetResult);
        await stopped.Task.ConfigureAwait(false);
        await ApplyAsync([], CancellationToken.None).ConfigureAwait(false);
    }

    private Running Start(RelaySource source, Task before)
    {
        var stop = new CancellationTokenSource();
        // Unique for each run: a restarted process or source must not take its predecessor's lease for its own.
        var owner = $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.CreateVersion7():N}";
        return new Running(source, stop, Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await new SourceRelay(source, owner, time, logger, steps).RunAsync(stop.Token).ConfigureAwait(false);
        }));
    }
}
