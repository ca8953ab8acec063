using Broker.Dashboard.Jobs;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Outbox.Health;
using Outbox.RabbitMQ;
using Outbox.Transport;

namespace Broker.Telemetry;

/// <summary>The worker's health: the process, its configuration, RabbitMQ, the storage of the jobs and each source, as they are known without asking anybody.</summary>
internal sealed class WorkerHealth(IServiceProvider services, IHostApplicationLifetime lifetime) : IHealthCheck
{
    /// <summary>Findings that are told in words.</summary>
    private const int MostFindings = 3;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(OutboxHealthCheck.Of([.. Report()], ""));

    private IEnumerable<HealthFinding> Report()
    {
        // As long as the process serves this, it can be started without a role to relay: then there is nothing else to tell.
        var sources = services.GetService<RelaySources>()?.Current ?? [];
        yield return ReportProcess(sources);
        if (services.GetService<ConfigurationReload>() is { } reload)
        {
            yield return reload.Refusal is { } refusal
                ? new HealthFinding("configuration", "refused", HealthStatus.Degraded, $"The files hold a mistake, and the worker goes on with what it had. {refusal}")
                : new HealthFinding("configuration", "in use", HealthStatus.Healthy, "What the files hold is in use.");
        }
        if (sources.Count > 0 && services.GetService<RabbitMqTransport>() is ITransportState transport)
            yield return ReportBroker(transport.Publishing);
        if (services.GetService<JobStorageWatch>() is { } watch)
            yield return ReportJobs(watch);
        if (services.GetService<Findings>() is { } findings)
            yield return ReportFindings(findings.Last);
        foreach (var source in sources)
            yield return new SourceHealth(source).Report();
    }

    private HealthFinding ReportProcess(IReadOnlyCollection<RelaySource> sources)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            return new HealthFinding("process", "stopping", HealthStatus.Unhealthy, "It finishes what is on its way and gives its leases up.");
        if (!lifetime.ApplicationStarted.IsCancellationRequested || (sources.Count > 0 && !sources.Any(s => s.State.WasReached)))
            return new HealthFinding("process", "starting", HealthStatus.Unhealthy, "No source has been reached, or found to be away, yet.");
        return new HealthFinding("process", "running", HealthStatus.Healthy, "It runs.");
    }

    private static HealthFinding ReportJobs(JobStorageWatch watch) => watch.Trouble is { } trouble
        ? new HealthFinding("jobs", "storage away", HealthStatus.Degraded, $"Jobs and the dashboard wait for the database where jobs are kept ({watch.Kind}), and it is tried again and again. Relays go on. {trouble}.")
        : new HealthFinding("jobs", "storage reached", HealthStatus.Healthy, $"The storage of the jobs ({watch.Kind}) answers.");

    /// <summary>For what no relay here can know: tables that differ, a handler that fails for ever, a source that only other workers drain.</summary>
    private static HealthFinding ReportFindings(IReadOnlyList<Finding> found) => found.Count == 0
        ? new HealthFinding("findings", "none", HealthStatus.Healthy, "The jobs have found nothing that does not go on by itself.")
        : new HealthFinding("findings", "some", HealthStatus.Degraded, string.Join(' ', found.Take(MostFindings).Select(f => $"{f.Source} ({f.Kind}): {f.What}")) + (found.Count > MostFindings ? $" And {found.Count - MostFindings} more." : ""))
        {
            Details = new Dictionary<string, object> { ["count"] = found.Count, ["since"] = found.Min(f => f.Since) },
        };

    private static HealthFinding ReportBroker(TransportStanding standing) => standing.Condition switch
    {
        TransportCondition.Connected => new HealthFinding("rabbitmq", "connected", HealthStatus.Healthy, "The connection for publishing is open."),
        TransportCondition.Blocked => new HealthFinding("rabbitmq", "blocked", HealthStatus.Degraded, $"RabbitMQ takes no messages now: {standing.Reason}"),
        TransportCondition.Away => new HealthFinding("rabbitmq", "away", HealthStatus.Degraded, $"It is tried again and again, and nothing is lost. {standing.Reason}"),
        _ => new HealthFinding("rabbitmq", "unused", HealthStatus.Healthy, "Nothing was published yet: this worker drains no partition."),
    };
}
