using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Outbox.Consumers;
using Outbox.Transport;

namespace Outbox.Testing;

/// <summary>Adds a harness to a service collection.</summary>
public static class OutboxHarnessExtensions
{
    /// <summary>Makes the outboxes that are registered here those of a test: their transport is one in memory, each has a relay in this process, and missing tables are created at the start.</summary>
    /// <param name="services">The container, with everything that the service registers; in ASP.NET Core's <c>WebApplicationFactory</c> from <c>ConfigureTestServices</c>.</param>
    /// <param name="configure">Settings of the harness.</param>
    /// <exception cref="OutboxConfigurationException">There is no outbox yet.</exception>
    /// <remarks>Then ask the container for <see cref="OutboxHarness"/>.</remarks>
    public static IServiceCollection AddOutboxHarness(this IServiceCollection services, Action<HarnessOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var outboxes = services.Where(s => s.ServiceType == typeof(OutboxRegistration)).Select(s => (OutboxRegistration)s.ImplementationInstance!).ToList();
        if (outboxes.Count == 0)
            throw new OutboxConfigurationException("No outbox is registered. Call AddOutboxHarness after the service's own registrations, with AddOutbox among them.");
        var options = new HarnessOptions();
        configure?.Invoke(options);
        foreach (var outbox in outboxes)
        {
            services.RemoveAllKeyed<ITransport>(outbox.Source);
            services.AddKeyedSingleton<ITransport>(outbox.Source, (provider, _) => provider.GetRequiredService<HarnessTransport>());
            if (!outbox.HasRelay)
                new OutboxBuilder(services, outbox).AddRelay();
        }
        if (options.RetryDelay is { } delay)
        {
            foreach (var consumer in services.Select(s => s.ImplementationInstance).OfType<ConsumerOptions>())
                (consumer.RetryDelay, consumer.MaxRetryDelay) = (delay, 10 * delay);
        }
        services.AddSingleton(options);
        services.AddSingleton<HarnessTransport>();
        services.AddSingleton<AppliedLog>();
        services.AddSingleton<IApplicationObserver>(provider => provider.GetRequiredService<AppliedLog>());
        services.AddSingleton<IHostedService, HarnessSetup>();
        services.AddSingleton(provider => new OutboxHarness(
            provider, provider.GetServices<OutboxRegistration>(), provider.GetRequiredService<HarnessTransport>(), provider.GetRequiredService<AppliedLog>(), options));
        return services;
    }
}
