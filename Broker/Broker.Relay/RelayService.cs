using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>Runs the relays of all its sources beside each other until the host stops.</summary>
internal sealed class RelayService(IReadOnlyList<RelaySource> sources, TimeProvider time, ILogger<RelayService> logger, StepSignals steps) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Unique for each run: a restarted process must not take its predecessor's lease for its own.
        var owner = $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.CreateVersion7():N}";
        return Task.WhenAll(sources.Select(source => new SourceRelay(source, owner, time, logger, steps).RunAsync(stoppingToken)));
    }
}
