using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Health;

namespace Broker.Relay;

/// <summary>Runs a relay inside a service.</summary>
public static class OutboxBuilderExtensions
{
    /// <summary>Relays this outbox from within this process. Leave it out when a worker does it; when both run, one of them works and the other stands by.</summary>
    /// <param name="builder">The outbox.</param>
    /// <param name="configure">Settings of the relay.</param>
    /// <exception cref="OutboxConfigurationException">A setting is not valid.</exception>
    public static OutboxBuilder AddRelay(this OutboxBuilder builder, Action<RelayOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new RelayOptions();
        configure?.Invoke(options);
        options.Validate(builder.Options.Source);
        var registration = builder.Registration;
        registration.HasRelay = true;
        builder.Services.AddKeyedSingleton(registration.Source, (services, _) =>
        {
            var dialect = registration.Dialect(services);
            if (registration.Options.Notify)
                dialect.CheckNotify($"Outbox '{registration.Source}', {nameof(OutboxOptions.Notify)}");
            return new RelaySource
            {
                Name = registration.Source,
                Dialect = dialect,
                DataSource = registration.DataSource(services),
                Transport = services.TransportOf(registration),
                Exchange = registration.Options.Exchange,
                Options = options,
                Doorbell = registration.Options.Doorbell,
                Notify = registration.Options.Notify,
                Signal = registration.Signal,
            };
        });
        builder.Services.AddSingleton<IHealthReporter>(services => new SourceHealth(services.GetRequiredKeyedService<RelaySource>(registration.Source)));
        builder.Services.AddSingleton<IHostedService>(services => new RelayService(
            [services.GetRequiredKeyedService<RelaySource>(registration.Source)],
            services.GetService<TimeProvider>() ?? TimeProvider.System, services.GetRequiredService<ILogger<RelayService>>(), services.GetService<StepSignals>() ?? StepSignals.None));
        return builder;
    }
}
