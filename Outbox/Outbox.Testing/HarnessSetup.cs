using Microsoft.Extensions.Hosting;

namespace Outbox.Testing;

/// <summary>Creates what is missing before consumers and relays look for it.</summary>
internal sealed class HarnessSetup(IEnumerable<OutboxRegistration> outboxes, IServiceProvider services, HarnessOptions options) : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (!options.CreateTables)
            return;
        foreach (var outbox in outboxes)
            await outbox.EnsureCreatedAsync(services, cancellationToken).ConfigureAwait(false);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
