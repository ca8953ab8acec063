using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Outbox.TwoPhaseCommit;

/// <summary>Adds transactions over several databases to a service.</summary>
public static class TwoPhaseCommitServiceCollectionExtensions
{
    /// <summary>Adds a <see cref="TransactionCoordinator"/>, and recovery in the background.</summary>
    /// <param name="services">The service's container.</param>
    /// <param name="name">The coordinator's name: the same in all processes of the service, and no other service's. Up to 16 lower-case letters, digits and hyphens. With several, ask for one by its name: <c>[FromKeyedServices("transfers")]</c>.</param>
    /// <param name="configure">Its participants.</param>
    /// <exception cref="OutboxConfigurationException">Something is configured wrongly; the message says what to change.</exception>
    public static IServiceCollection AddTwoPhaseCommit(this IServiceCollection services, string name, Action<TwoPhaseCommitBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        CheckName(name);
        if (services.Any(s => s.IsKeyedService && s.ServiceType == typeof(TransactionCoordinator) && Equals(s.ServiceKey, name)))
            throw new OutboxConfigurationException($"Two coordinators are named '{name}'. Give one of them another name.");
        var builder = new TwoPhaseCommitBuilder(name);
        configure(builder);
        services.TryAddSingleton(TimeProvider.System);
        services.AddKeyedSingleton(name, (provider, _) => builder.Build(provider, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILoggerFactory>().CreateLogger<TransactionCoordinator>()));
        services.AddKeyedSingleton(name, (provider, _) => new TransactionCoordinator(
            provider.GetRequiredKeyedService<Coordination>(name), provider, () => WakeRelays(provider)));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<TransactionCoordinator>(name));
        if (builder.Options.Recovers)
            services.AddSingleton<IHostedService>(provider => new RecoveryService(provider.GetRequiredKeyedService<Coordination>(name)));
        return services;
    }

    internal static void CheckName(string name)
    {
        if (!TransactionId.IsName(name, TransactionId.LongestCoordinator) || name.Contains('.', StringComparison.Ordinal))
            throw new OutboxConfigurationException($"'{name}' cannot be a coordinator's name. Use up to {TransactionId.LongestCoordinator} lower-case letters, digits and hyphens, for example 'transfers'.");
    }

    private static void WakeRelays(IServiceProvider services)
    {
        foreach (var outbox in services.GetServices<OutboxRegistration>())
            outbox.Signal.Raise();
    }
}
