using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Shop.Hosting;

/// <summary>Writes the status file when the service has started, every second, and when it has stopped.</summary>
internal sealed class ServiceStatusWriter(string file, IServiceProvider services) : IHostedLifecycleService, IDisposable
{
    private readonly DuplicateCounter _duplicates = new();
    private Timer? _timer;
    private string? _address;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        _address = services.GetService<IServer>()?.Features.Get<IServerAddressesFeature>()?.Addresses.First();
        Write();
        _timer = new Timer(_ => Write(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        return Task.CompletedTask;
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (_timer is not null)
            await _timer.DisposeAsync();
    }

    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        Write();
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _duplicates.Dispose();

    private void Write() => new ServiceStatus(_address, _duplicates.Count).Write(file);
}
