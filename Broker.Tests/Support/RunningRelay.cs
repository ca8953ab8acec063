using Broker.Relay;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Transport;

namespace Broker.Tests.Support;

/// <summary>A whole relay of one source in this process: its beat, its leases and its drainers.</summary>
internal sealed class RunningRelay : IAsyncDisposable
{
    private readonly RelayService _service;
    private bool _isStopped;

    private RunningRelay(RelaySource source, RelayService service) => (Source, _service) = (source, service);

    public RelaySource Source { get; }

    public static async Task<RunningRelay> StartAsync(TestDatabase database, ITransport transport, string name, Action<RelayOptions>? configure = null)
    {
        var options = new RelayOptions { RetryDelay = TimeSpan.FromMilliseconds(20), MaxRetryDelay = TimeSpan.FromMilliseconds(100), MaxAttempts = 1_000_000, DrainTimeout = TimeSpan.FromMilliseconds(200) };
        configure?.Invoke(options);
        var source = new RelaySource { Name = name, Dialect = database.Dialect, DataSource = database.DataSource, Transport = transport, Options = options };
        var service = new RelayService([source], TimeProvider.System, new TestLog().CreateLogger<RelayService>(), StepSignals.None);
        await service.StartAsync(CancellationToken.None);
        return new RunningRelay(source, service);
    }

    public async Task StopAsync()
    {
        if (_isStopped)
            return;
        _isStopped = true;
        await _service.StopAsync(CancellationToken.None);
        _service.Dispose();
    }

    public async ValueTask DisposeAsync() => await StopAsync();
}
