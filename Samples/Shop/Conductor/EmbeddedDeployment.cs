using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Transport;
using Shop.Hosting;

namespace Shop.Conductor;

/// <summary>All services in this process, each with a relay of its own, on one transport in memory.</summary>
internal sealed class EmbeddedDeployment(RunPlan plan, InMemoryTransport transport) : IDeployment
{
    private readonly List<IHost> _hosts = [];
    private readonly DuplicateCounter _duplicates = new();
    private readonly TaskCompletionSource _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _stopping;

    public Uri OrdersAddress => new(ServiceStatus.TryRead(plan.Of("orders").StatusFile)!.Address!);

    public Task Failure => _failure.Task;

    public long Duplicates => _duplicates.Count;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var settings in plan.Services)
        {
            var host = await ServiceHost.CreateAsync(settings, outbox => outbox.UseInMemory(transport).AddRelay(), LogLevel.Warning, cancellationToken);
            _hosts.Add(host);
            host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() =>
            {
                if (!_stopping)
                    _failure.TrySetException(new RunFailedException($"The service '{settings.Service}' has stopped by itself; its reason stands above."));
            });
            await host.StartAsync(cancellationToken);
        }
    }

    public Task KillWorkerAsync() => throw new NotSupportedException("There is no worker here to kill.");

    public async Task StopAsync()
    {
        _stopping = true;
        await Task.WhenAll(_hosts.Select(host => host.StopAsync()));
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var host in _hosts)
            host.Dispose();
        _duplicates.Dispose();
    }
}
