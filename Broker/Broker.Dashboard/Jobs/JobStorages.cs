using Hangfire;
using Hangfire.InMemory;
using Hangfire.PostgreSql;
using Hangfire.SqlServer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Outbox;

namespace Broker.Dashboard.Jobs;

/// <summary>Opens the storage of the jobs, and creates its tables where they are missing.</summary>
internal static class JobStorages
{
    /// <summary>How long a job of a dead worker waits for another.</summary>
    private static readonly TimeSpan Invisible = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    /// <summary>Adds Hangfire on the configured storage, and what both the jobs and the dashboard need of it.</summary>
    public static IServiceCollection AddBrokerHangfire(this IServiceCollection services, JobsSettings settings)
    {
        services.AddSingleton(settings);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<Findings>();
        services.AddSingleton<LetterJobs>();
        services.AddHangfire(hangfire => hangfire.UseSimpleAssemblyNameTypeSerializer().UseRecommendedSerializerSettings().UseStorage(Create(settings.Storage)));
        return services;
    }

    /// <summary>Opens it now, so that a mistake is told in one line.</summary>
    /// <exception cref="OutboxConfigurationException">It cannot be opened.</exception>
    public static void Open(IServiceProvider services)
    {
        var settings = services.GetRequiredService<JobsSettings>().Storage;
        try
        {
            services.GetRequiredService<JobStorage>();
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new OutboxConfigurationException(
                $"The storage of the jobs ({settings.Kind}) cannot be opened: {Outbox.Sql.SqlErrors.TextOf(exception.GetBaseException())}. Check Broker:Jobs:Storage and Broker:Jobs:ConnectionString; a worker with '--roles relay' needs none.", exception);
        }
        if (!settings.IsChosen)
            Log.StorageInMemory(services.GetRequiredService<ILoggerFactory>().CreateLogger("Broker.Dashboard"));
    }

    private static JobStorage Create(JobStorageSettings settings) => settings.Kind switch
    {
        JobStorageKind.SqlServer => new SqlServerStorage(settings.ConnectionString, new SqlServerStorageOptions
        {
            SlidingInvisibilityTimeout = Invisible,
            QueuePollInterval = TimeSpan.Zero,
            DisableGlobalLocks = true,
            TryAutoDetectSchemaDependentOptions = true,
        }),
        JobStorageKind.PostgreSql => new PostgreSqlStorage(new Hangfire.PostgreSql.Factories.NpgsqlConnectionFactory(settings.ConnectionString, PostgreSql), PostgreSql),
        _ => new InMemoryStorage(),
    };

    private static PostgreSqlStorageOptions PostgreSql => new() { InvisibilityTimeout = Invisible, UseSlidingInvisibilityTimeout = true, QueuePollInterval = Poll };
}
