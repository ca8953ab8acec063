using Hangfire;
using Microsoft.Extensions.Hosting;

namespace Broker.Dashboard.Jobs;

/// <summary>Tells Hangfire at the start which jobs recur, and takes back those of rules that are gone.</summary>
internal sealed class JobsService(IRecurringJobManager recurring, JobStorage storage, JobsSettings settings) : IHostedService
{
    private const string RulePrefix = "redrive-";

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var utc = new RecurringJobOptions { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Ignorable };
        recurring.AddOrUpdate<RetentionJob>(RetentionJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Hourly(17), utc);
        recurring.AddOrUpdate<StuckJob>(StuckJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Minutely(), utc);
        recurring.AddOrUpdate<SchemaJob>(SchemaJob.Name, job => job.RunAsync(CancellationToken.None), Cron.Daily(3, 40), utc);
        foreach (var rule in settings.Redrive)
            recurring.AddOrUpdate<RedriveJob>(RedriveJob.NameOf(rule.Name), job => job.RunAsync(rule.Name, CancellationToken.None), rule.Cron, utc);
        using var connection = storage.GetConnection();
        foreach (var gone in connection.GetAllItemsFromSet("recurring-jobs").Where(name => name.StartsWith(RulePrefix, StringComparison.Ordinal) && settings.Redrive.All(r => RedriveJob.NameOf(r.Name) != name)))
            recurring.RemoveIfExists(gone);
        recurring.Trigger(StuckJob.Name);
        recurring.Trigger(SchemaJob.Name);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
