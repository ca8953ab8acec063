using Hangfire;
using Hangfire.InMemory;
using Hangfire.PostgreSql;
using Hangfire.SqlServer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Broker.Dashboard.Jobs;

/// <summary>The storages of the jobs, which create their tables where they are missing.</summary>
internal static class JobStorages
{
    /// <summary>How long a job of a dead worker waits for another.</summary>
    private static readonly TimeSpan Invisible = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    /// <summary>Adds Hangfire on the configured storage, and what both the jobs and the dashboard need of it. The storage is opened while the host runs.</summary>
    public static IServiceCollection AddBrokerHangfire(this IServiceCollection services, JobsSettings settings)
    {
        services.AddSingleton(settings);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<Findings>();
        services.AddSingleton<LetterJobs>();
        services.AddSingleton<AwaitedJobStorage>();
        services.AddSingleton(provider => new JobStorageWatch(
            provider.GetRequiredService<AwaitedJobStorage>(), settings.Storage, provider.GetRequiredService<Findings>(), () => Create(settings.Storage), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<JobStorageWatch>>()));
        services.AddHostedService(provider => provider.GetRequiredService<JobStorageWatch>());
        services.AddHangfire((provider, hangfire) => hangfire.UseSimpleAssemblyNameTypeSerializer().UseRecommendedSerializerSettings().UseStorage(provider.GetRequiredService<AwaitedJobStorage>()));
        return services;
    }

    /// <summary>Says it if what the jobs do is gone with this process.</summary>
    public static void Tell(IServiceProvider services)
    {
        if (!services.GetRequiredService<JobsSettings>().Storage.IsChosen)
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

    private static PostgreSqlStorageOptions PostgreSql => new()
    {
        InvisibilityTimeout = Invisible,
        UseSlidingInvisibilityTimeout = true,
        QueuePollInterval = Poll,
        // Our own watch tries again, and says so.
        StartupConnectionMaxRetries = 0,
        AllowDegradedModeWithoutStorage = false,
    };
}
