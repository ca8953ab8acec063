using Microsoft.Extensions.DependencyInjection;
using Outbox.Locks;

namespace Outbox.Redis;

/// <summary>Adds locks in Redis to a service.</summary>
public static class RedisLocksServiceCollectionExtensions
{
    /// <summary>The key of <see cref="IDistributedLocks"/> for those who use several kinds: <c>[FromKeyedServices("redis")]</c>.</summary>
    public const string ServiceKey = "redis";

    /// <summary>Keeps locks in Redis: <see cref="IDistributedLocks"/>, also under the key <c>redis</c>.</summary>
    /// <param name="services">The service's container.</param>
    /// <param name="configuration">StackExchange.Redis's own text: <c>redis.internal:6379,ssl=true</c>.</param>
    /// <param name="configure">Settings.</param>
    /// <exception cref="OutboxConfigurationException">A setting is wrong; the message says which.</exception>
    public static IServiceCollection AddRedisLocks(this IServiceCollection services, string configuration, Action<RedisLockOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(configuration);
        var options = new RedisLockOptions();
        configure?.Invoke(options);
        options.Validate();
        services.AddKeyedSingleton(ServiceKey, (provider, _) => new RedisLocks(configuration, options, provider.GetService<TimeProvider>()));
        services.AddKeyedSingleton<IDistributedLocks>(ServiceKey, (provider, _) => provider.GetRequiredKeyedService<RedisLocks>(ServiceKey));
        return services.AddSingleton<IDistributedLocks>(provider => provider.GetRequiredKeyedService<RedisLocks>(ServiceKey));
    }
}
