using System.Globalization;
using Broker.Relay;
using Hangfire;
using Microsoft.Extensions.Logging;

namespace Broker.Dashboard.Jobs;

/// <summary>Redrives what a rule of the configuration chooses.</summary>
internal sealed class RedriveJob(IDashboardSources sources, JobsSettings settings, TimeProvider time, ILogger<RedriveJob> logger)
{
    /// <summary>The recurring job's name.</summary>
    public static string NameOf(string rule) => $"redrive-{rule}";

    /// <summary>Runs a rule.</summary>
    [AutomaticRetry(Attempts = 0)]
    public Task<string> RunAsync(string rule, CancellationToken cancellationToken)
    {
        if (settings.Redrive.FirstOrDefault(r => r.Name == rule) is not { } redrive)
            return Task.FromResult($"The rule '{rule}' is not configured here.");
        return SourceJob.RunAsync(sources.Current.Where(s => redrive.Source is null || s.Name == redrive.Source), NameOf(rule), time, logger, (source, token) => RunAsync(redrive, source, token), cancellationToken);
    }

    private async Task<string> RunAsync(RedriveSettings rule, DashboardSource source, CancellationToken cancellationToken)
    {
        var desk = new DeadLetterDesk(source.DataSource, source.Dialect, $"job {NameOf(rule.Name)}");
        var last = await desk.ListAsync(new DeadLetterDesk.Filter(), new DeadLetterDesk.Page(1, Descending: true), cancellationToken).ConfigureAwait(false);
        if (last is not [var letter])
            return "nothing to redrive";
        var filter = new DeadLetterDesk.Filter(
            Type: rule.Type, Consumer: rule.Consumer, Text: rule.Reason, UpTo: letter.Id, Until: time.GetUtcNow().UtcDateTime - rule.OlderThan, MostRedrives: rule.MostTimes);
        var redriven = await desk.RedriveAsync(filter, $"rule {rule.Name}", cancellationToken).ConfigureAwait(false);
        if (redriven > 0)
            Log.Redriven(logger, source.Name, rule.Name, redriven);
        return string.Create(CultureInfo.InvariantCulture, $"{redriven:N0} redriven");
    }
}
