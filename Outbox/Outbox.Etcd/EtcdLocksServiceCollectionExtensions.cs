using Microsoft.Extensions.DependencyInjection;
using Outbox.Locks;

namespace Outbox.Etcd;

/// <summary>Adds locks in etcd to a service.</summary>
public static class EtcdLocksServiceCollectionExtensions
{
    /// <summary>The key of <see cref="IDistributedLocks"/> for those who use several kinds: <c>[FromKeyedServices("etcd")]</c>.</summary>
    public const string ServiceKey = "etcd";

    /// <summary>Keeps locks in etcd: <see cref="IDistributedLocks"/>, also under the key <c>etcd</c>.</summary>
    /// <param name="services">The service's container.</param>
    /// <param name="endpoints">The nodes: <c>https://etcd-1:2379</c>. Name all of them, so that each may be away.</param>
    /// <param name="configure">Settings.</param>
    /// <exception cref="OutboxConfigurationException">A setting is wrong; the message says which.</exception>
    public static IServiceCollection AddEtcdLocks(this IServiceCollection services, IEnumerable<string> endpoints, Action<EtcdLockOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var nodes = EtcdCluster.Read(endpoints).Select(e => e.ToString()).ToList();
        var options = new EtcdLockOptions();
        configure?.Invoke(options);
        options.Validate();
        services.AddKeyedSingleton(ServiceKey, (provider, _) => new EtcdLocks(nodes, options, provider.GetService<TimeProvider>()));
        services.AddKeyedSingleton<IDistributedLocks>(ServiceKey, (provider, _) => provider.GetRequiredKeyedService<EtcdLocks>(ServiceKey));
        return services.AddSingleton<IDistributedLocks>(provider => provider.GetRequiredKeyedService<EtcdLocks>(ServiceKey));
    }
}
