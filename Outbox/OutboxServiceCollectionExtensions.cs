using System.Data.Common;
using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Inbox;
using Outbox.Locks;
using Outbox.Receipts;
using Outbox.Transport;

namespace Outbox;

/// <summary>Adds outboxes to a service.</summary>
public static partial class OutboxServiceCollectionExtensions
{
    /// <summary>Adds the outbox that lives in the database of <typeparamref name="TContext"/>. Call it once per context.</summary>
    /// <param name="services">The service's container.</param>
    /// <param name="configure">Its transport, consumers and relay.</param>
    /// <exception cref="OutboxConfigurationException">Something is configured wrongly; the message says what to change.</exception>
    public static IServiceCollection AddOutbox<TContext>(this IServiceCollection services, Action<OutboxBuilder> configure)
        where TContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        Register(services, new OutboxRegistration(
            new OutboxOptions { Source = SourceOf(typeof(TContext)) }, typeof(TContext), provider => new ContextDataSource<TContext>(provider)), configure);
        // For every context's class, because AddDbContext<TContext, TImplementation> makes another one than TContext.
        services.TryAddEnumerable(ServiceDescriptor.Singleton(typeof(IDbContextOptionsConfiguration<>), typeof(OutboxContextConfiguration<>)));
        return services;
    }

    /// <summary>Adds an outbox for a service that uses plain ADO.NET or a library on top of it.</summary>
    /// <param name="services">The service's container.</param>
    /// <param name="source">Name of the source; see <see cref="OutboxOptions.Source"/>.</param>
    /// <param name="dataSource">The service's database.</param>
    /// <param name="configure">Its transport, consumers and relay.</param>
    /// <exception cref="OutboxConfigurationException">Something is configured wrongly; the message says what to change.</exception>
    public static IServiceCollection AddOutbox(this IServiceCollection services, string source, Func<IServiceProvider, DbDataSource> dataSource, Action<OutboxBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(dataSource);
        ArgumentNullException.ThrowIfNull(configure);
        Register(services, new OutboxRegistration(new OutboxOptions { Source = source }, contextType: null, dataSource), configure);
        return services;
    }

    private static OutboxRegistration Register(IServiceCollection services, OutboxRegistration registration, Action<OutboxBuilder> configure)
    {
        var builder = new OutboxBuilder(services, registration);
        configure(builder);
        registration.Options.Validate();
        ReceiptConsumers.Add(builder);
        var others = services.Where(s => s.ServiceType == typeof(OutboxRegistration)).Select(s => (OutboxRegistration)s.ImplementationInstance!).ToList();
        if (others.Any(o => o.Source == registration.Source))
            throw new OutboxConfigurationException($"Two outboxes are named '{registration.Source}'. Give one of them another name with outbox.Source(\"…\").");
        services.AddSingleton(registration);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IInbox>(DbTransactionInbox.Instance);
        services.AddSingleton<IHostedService>(provider => new DoorbellService(registration, provider.GetKeyedService<ITransport>(registration.Source), provider.GetRequiredService<TimeProvider>()));
        if (registration.Announced.Count > 0)
            services.AddSingleton<IHostedService>(provider => new ConsumerAnnouncer(registration, provider.TransportOf(registration), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<ConsumerAnnouncer>>()));
        services.AddKeyedSingleton<IOutbox>(registration.Source, (provider, _) => new DbTransactionOutbox(registration, provider));
        LocksServiceCollectionExtensions.AddDatabaseLocks(services, registration);
        services.TryAddSingleton<IOutbox>(provider =>
        {
            var all = provider.GetServices<OutboxRegistration>().ToList();
            return all is [var only]
                ? provider.GetRequiredKeyedService<IOutbox>(only.Source)
                : throw new OutboxConfigurationException($"This service has {all.Count} outboxes ({string.Join(", ", all.Select(o => o.Source))}). Ask for one: [FromKeyedServices(\"{all[0].Source}\")] IOutbox outbox.");
        });
        return registration;
    }

    internal static ITransport TransportOf(this IServiceProvider services, OutboxRegistration registration) =>
        services.GetKeyedService<ITransport>(registration.Source)
        ?? throw new OutboxConfigurationException($"Outbox '{registration.Source}' has no transport. Add outbox.UseRabbitMq(\"amqp://…\"), or outbox.UseInMemory() for a test.");

    private static string SourceOf(Type context)
    {
        var name = context.Name.Split('`')[0];
        foreach (var suffix in (string[])["DbContext", "Context"])
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal) && name.Length > suffix.Length)
            {
                name = name[..^suffix.Length];
                break;
            }
        }
        return WordStart().Replace(name, m => "-" + m.Value).TrimStart('-').ToLowerInvariant();
    }

    [GeneratedRegex("(?<=[a-z0-9])([A-Z])|([A-Z])(?=[a-z])")]
    private static partial Regex WordStart();
}
