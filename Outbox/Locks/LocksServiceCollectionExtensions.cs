using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Outbox.Locks;

/// <summary>Adds locks to a service. Those in the service's own database come with its outbox.</summary>
public static class LocksServiceCollectionExtensions
{
    /// <summary>Keeps locks in this process's memory, for tests and for programs of one process. Others are kept elsewhere and do not collide with them.</summary>
    public static IServiceCollection AddInMemoryLocks(this IServiceCollection services, Action<LockOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = new LockOptions();
        configure?.Invoke(options);
        options.Validate();
        return services.AddSingleton<IDistributedLocks>(provider => new InMemoryLocks(options, provider.GetService<TimeProvider>()));
    }

    internal static void AddDatabaseLocks(IServiceCollection services, OutboxRegistration registration)
    {
        registration.Options.Locks.Validate();
        // By itself, so that the container closes what it keeps open.
        services.AddKeyedSingleton(registration.Source, (provider, _) => new DatabaseLocks(registration.DataSource(provider), registration.Dialect(provider), provider.GetRequiredService<TimeProvider>()));
        services.AddKeyedSingleton<IDistributedLocks>(registration.Source, (provider, _) =>
            new LeasedLocks(provider.GetRequiredKeyedService<DatabaseLocks>(registration.Source), registration.Options.Locks, provider.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton<IDistributedLocks>(provider =>
        {
            var all = provider.GetServices<OutboxRegistration>().ToList();
            return all is [var only]
                ? provider.GetRequiredKeyedService<IDistributedLocks>(only.Source)
                : throw new OutboxConfigurationException($"This service has {all.Count} databases with locks ({string.Join(", ", all.Select(o => o.Source))}). Ask for those of one: [FromKeyedServices(\"{all[0].Source}\")] IDistributedLocks locks.");
        });
    }
}
