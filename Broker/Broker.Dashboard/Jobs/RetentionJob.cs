using System.Globalization;
using Hangfire;
using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Broker.Dashboard.Jobs;

/// <summary>Forgets what nobody else forgets: discarded dead letters, the records of what operators did, and the inboxes of consumers that are gone. Relays empty their archives themselves, and consumers that run their inboxes and receipts.</summary>
internal sealed class RetentionJob(IDashboardSources sources, JobsSettings settings, TimeProvider time, ILogger<RetentionJob> logger)
{
    /// <summary>The recurring job's name.</summary>
    public const string Name = "retention";

    /// <summary>Runs it on all sources.</summary>
    [AutomaticRetry(Attempts = 0)]
    public Task<string> RunAsync(CancellationToken cancellationToken) => SourceJob.RunAsync(sources.Current, Name, time, logger, RunAsync, cancellationToken);

    private async Task<string> RunAsync(DashboardSource source, CancellationToken cancellationToken)
    {
        var letters = await new GradualDelete(time).RunByIdAsync(source.DataSource, source.Dialect.DeleteDiscardedLetters, settings.DiscardedRetention, cancellationToken).ConfigureAwait(false);
        var actions = await new GradualDelete(time).RunByIdAsync(source.DataSource, source.Dialect.DeleteOldLetterActions, settings.ActionsRetention, cancellationToken).ConfigureAwait(false);
        var inbox = settings.InboxRetention is { } age ? await new GradualDelete(time).RunAsync(source.DataSource, source.Dialect.DeleteOldInboxOfAnyone, age, bind: null, cancellationToken).ConfigureAwait(false) : 0;
        return string.Create(CultureInfo.InvariantCulture, $"{letters:N0} discarded dead letters, {actions:N0} records of actions and {inbox:N0} rows of inboxes removed");
    }
}
