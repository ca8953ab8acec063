using System.ComponentModel;
using Broker.Relay;
using Hangfire;
using Hangfire.Server;

namespace Broker.Dashboard.Jobs;

/// <summary>Redrives or discards many dead letters, by transactions of some hundreds, and tells how far it is. Stopped anywhere and run again it goes on where it ended: a letter that was dealt with is no longer there.</summary>
internal sealed class LetterJob(IDashboardSources sources, TimeProvider time)
{
    private const int CountedAtOnce = 5_000;
    private const int MostCounted = 1_000_000;

    /// <summary>Does the work.</summary>
    [DisplayName("{0}")]
    [AutomaticRetry(Attempts = 5)]
    public async Task<string> RunAsync(LetterWork work, PerformContext context, CancellationToken cancellationToken)
    {
        var source = sources.Find(work.Source) ?? throw new InvalidOperationException($"Source '{work.Source}' is not configured any more. Add it again, or delete this job.");
        var progress = new ProgressParameter(context, time);
        var before = ProgressParameter.Read(context.Connection.GetJobParameter(context.BackgroundJob.Id, ProgressParameter.Name));
        var counting = new DeadLetterDesk(source.DataSource, source.Dialect, work.Actor);
        var (left, isMore) = await CountAsync(counting, work.Filter, cancellationToken).ConfigureAwait(false);
        // Begun before: what was done then counts still.
        var (done, total) = (before.Done, before.Done + left);
        progress.Write(done, total, isMore, always: true);
        var desk = new DeadLetterDesk(source.DataSource, source.Dialect, work.Actor) { Changed = changed => progress.Write(done += changed, total, isMore) };
        try
        {
            if (work.Discards)
                await desk.DiscardAsync(work.Filter, work.Reason ?? "", cancellationToken).ConfigureAwait(false);
            else
                await desk.RedriveAsync(work.Filter, work.Reason, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            progress.Write(done, total, isMore, always: true);
        }
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{done:N0} {(work.Discards ? "discarded" : "redriven")}");
    }

    private static async Task<(long Count, bool IsMore)> CountAsync(DeadLetterDesk desk, DeadLetterDesk.Filter filter, CancellationToken cancellationToken)
    {
        var count = 0L;
        for (var after = 0L; count < MostCounted;)
        {
            var some = await desk.ListAsync(filter, after, CountedAtOnce, cancellationToken).ConfigureAwait(false);
            count += some.Count(l => l.IsOpen && !(l.Id > filter.UpTo));
            if (some.Count < CountedAtOnce || some[^1].Id > filter.UpTo)
                return (count, false);
            after = some[^1].Id;
        }
        return (count, true);
    }
}
