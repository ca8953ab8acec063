using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Locks;
using Outbox.Transport;

namespace Outbox.PartitionedWork;

/// <summary>Runs this process's share of the partitions of a work.</summary>
internal sealed class PartitionedWorkerService<TWorker>(IServiceProvider services, int partitions, PartitionedWorkerOptions options) : BackgroundService
    where TWorker : class, IPartitionedWorker
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var registration = Registration();
        var time = services.GetRequiredService<TimeProvider>();
        var group = string.Create(CultureInfo.InvariantCulture, $"worker/{options.Name}/{partitions}");
        var doorbell = services.GetKeyedService<ITransport>(registration.Source)?.Doorbell;
        var bell = group + "/leases";
        var share = new LeasedPartitions(
            new DatabaseLeases(registration.DataSource(services), registration.Dialect(services), time), group, partitions, LeasedPartitions.NewOwner(), options.LeaseDuration, RunAsync, time,
            services.GetRequiredService<ILogger<PartitionedWorkerService<TWorker>>>())
        {
            IsFenced = true,
            Released = () => doorbell?.Ring(bell),
        };
        using var others = doorbell?.Listen(bell, share.Wake);
        await share.RunAsync(stoppingToken).ConfigureAwait(false);
    }

    private async Task RunAsync(short partition, Lease lease, CancellationToken stoppingToken)
    {
        var scope = services.CreateAsyncScope();
        await using var _ = scope.ConfigureAwait(false);
        // Not disposed of: whoever shares the partitions releases the lease, after the run.
        var held = new HeldLock(lease, lease.Name, lease.Name, telemetry: null, released: null);
        await scope.ServiceProvider.GetRequiredService<TWorker>().RunAsync(new PartitionRun(partition, partitions, held), stoppingToken).ConfigureAwait(false);
    }

    private OutboxRegistration Registration()
    {
        var all = services.GetServices<OutboxRegistration>().ToList();
        if (options.Source is { } source)
            return all.Find(r => r.Source == source) ?? throw new OutboxConfigurationException($"Partitioned work '{options.Name}': there is no outbox '{source}'. There {(all.Count == 0 ? "is none" : $"are: {string.Join(", ", all.Select(o => o.Source))}")}.");
        return all switch
        {
            [var only] => only,
            [] => throw new OutboxConfigurationException($"Partitioned work '{options.Name}' needs a database for its leases. Add an outbox: services.AddOutbox<TContext>(…)."),
            _ => throw new OutboxConfigurationException($"Partitioned work '{options.Name}': this service has {all.Count} outboxes ({string.Join(", ", all.Select(o => o.Source))}). Choose one by its Source."),
        };
    }
}
