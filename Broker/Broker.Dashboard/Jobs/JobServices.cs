using Hangfire;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Jobs;

/// <summary>Brings the jobs into the worker's host.</summary>
internal static class JobServices
{
    /// <summary>Jobs that run beside each other in one worker.</summary>
    private const int Workers = 4;

    /// <summary>Adds what runs the jobs. Hangfire and an <see cref="IDashboardSources"/> have to be added too.</summary>
    public static IServiceCollection AddBrokerJobs(this IServiceCollection services)
    {
        services.AddHostedService<JobsService>();
        services.AddHangfireServer(server =>
        {
            server.WorkerCount = Workers;
            server.CancellationCheckInterval = TimeSpan.FromSeconds(1);
            server.SchedulePollingInterval = TimeSpan.FromSeconds(5);
            // Less than the host's own: what runs is cancelled, and goes on in another worker or after the restart.
            server.ShutdownTimeout = TimeSpan.FromSeconds(5);
        });
        return services;
    }
}
