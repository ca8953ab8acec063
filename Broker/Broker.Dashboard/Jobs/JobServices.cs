using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Jobs;

/// <summary>Brings the jobs into the worker's host.</summary>
internal static class JobServices
{
    /// <summary>Adds what runs the jobs. Hangfire and an <see cref="IDashboardSources"/> have to be added too.</summary>
    public static IServiceCollection AddBrokerJobs(this IServiceCollection services) => services.AddHostedService<JobsService>();
}
