using Hangfire;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Broker.Dashboard.Jobs;

/// <summary>Runs jobs as soon as their storage is open: tells Hangfire which recur, takes back those of rules that are gone, and starts its server.</summary>
internal sealed class JobsService(IRecurringJobManager recurring, AwaitedJobStorage storage, JobActivator activator, JobsSettings settings, TimeProvider time, ILogger<JobsService> logger) : BackgroundService
{
    /// <summary>Hangfire's set of the jobs that recur.</summary>
    internal const string Recurring = "recurring-jobs";

    /// <summary>Jobs that run beside each other in one worker.</summary>
    private const int Workers = 4;

    private const string RulePrefix = "redrive-";
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    private BackgroundJobServerOptions Options => new()
    {
        Activator = activator,
        WorkerCount = Workers,
        CancellationCheckInterval = TimeSpan.FromSeconds(1),
        SchedulePollingInterval = TimeSpan.FromSeconds(5),
        // Less than the host's own: what runs is cancelled, and goes on in another worker or after the restart.
        ShutdownTimeout = TimeSpan.FromSeconds(5),
    };

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var server = await BeginAsync(stoppingToken).ConfigureAwait(false);
        await Task.Delay(Timeout.InfiniteTimeSpan, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        server.SendStop();
        await server.WaitForShutdownAsync(CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Tries until it succeeds: an error that came out of here would end the worker, and its relays.</summary>
    private async Task<BackgroundJobServer> BeginAsync(CancellationToken stoppingToken)
    {
        await storage.Opened.WaitAsync(stoppingToken).ConfigureAwait(false);
        for (var failures = 1; ; failures++)
        {
            try
            {
                // Drivers and Hangfire wait without asking a token.
                await Task.Run(Register, stoppingToken).WaitAsync(stoppingToken).ConfigureAwait(false);
                return new BackgroundJobServer(Options, storage);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                if (failures == 1)
                    Log.JobsWait(logger, SqlErrors.TextOf(exception));
                await Task.Delay(Backoff.Delay(failures, FirstWait, LongestWait), time, stoppingToken).ConfigureAwait(false);
            }
        }
    }

    private void Register()
    {
        var utc = new RecurringJobOptions { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Ignorable };
        recurring.AddOrUpdate<RetentionJob>(RetentionJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Hourly(17), utc);
        recurring.AddOrUpdate<StuckJob>(StuckJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Minutely(), utc);
        recurring.AddOrUpdate<SchemaJob>(SchemaJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Daily(3, 40), utc);
        recurring.AddOrUpdate<RecoveryJob>(RecoveryJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Minutely(), utc);
        foreach (var rule in settings.Redrive)
            recurring.AddOrUpdate<RedriveJob>(RedriveJob.NameOf(rule.Name), job => job.RunAsync(rule.Name, CancellationToken.None), rule.Cron, utc);
        using var connection = storage.GetConnection();
        foreach (var gone in connection.GetAllItemsFromSet(Recurring).Where(name => name.StartsWith(RulePrefix, StringComparison.Ordinal) && settings.Redrive.All(r => RedriveJob.NameOf(r.Name) != name)))
            recurring.RemoveIfExists(gone);
        recurring.Trigger(StuckJob.Name);
        recurring.Trigger(SchemaJob.Name);
    }
}
