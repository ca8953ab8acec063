using Broker.Relay;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using Outbox;

namespace Broker.Dashboard.Jobs;

/// <summary>Starts, watches and ends work on many dead letters. Thread-safe.</summary>
internal sealed class LetterJobs(JobStorage storage, IBackgroundJobClient client, IDashboardSources sources, JobsSettings settings)
{
    private const string List = "broker:letter-jobs";
    private const int MostListed = 100;

    /// <summary>Starts to redrive letters. Returns the job.</summary>
    /// <param name="source">Their source.</param>
    /// <param name="filter">Which letters, of those that are there now.</param>
    /// <param name="reason">Why; it is kept with each.</param>
    /// <param name="actor">Who asks for it.</param>
    /// <param name="cancellationToken">Ends the wait for the source's database.</param>
    /// <exception cref="KeyNotFoundException">There is no such source.</exception>
    /// <exception cref="OutboxConfigurationException">Nobody would ever run it.</exception>
    public Task<string> RedriveAsync(string source, DeadLetterDesk.Filter filter, string? reason, string actor, CancellationToken cancellationToken) =>
        StartAsync(new LetterWork(source, Discards: false, actor, reason, filter), cancellationToken);

    /// <summary>Starts to discard letters. Returns the job.</summary>
    /// <inheritdoc cref="RedriveAsync"/>
    public Task<string> DiscardAsync(string source, DeadLetterDesk.Filter filter, string reason, string actor, CancellationToken cancellationToken) =>
        StartAsync(new LetterWork(source, Discards: true, actor, reason, filter), cancellationToken);

    /// <summary>How far a job is, or null if there is none of this id, or none any more.</summary>
    public JobProgress? Find(string id)
    {
        using var connection = storage.GetConnection();
        return Find(connection, id);
    }

    /// <summary>The last jobs, the latest first.</summary>
    public IReadOnlyList<JobProgress> Recent(int most)
    {
        using var connection = (JobStorageConnection)storage.GetConnection();
        return [.. connection.GetRangeFromList(List, 0, Math.Min(most, MostListed) - 1).Select(id => Find(connection, id)).OfType<JobProgress>()];
    }

    /// <summary>Ends a job between two transactions; what it has done stays done. Returns whether there was one to end.</summary>
    public bool Cancel(string id) => client.ChangeState(id, new DeletedState { Reason = "ended by an operator" });

    private async Task<string> StartAsync(LetterWork work, CancellationToken cancellationToken)
    {
        if (!settings.CanRun)
            throw new OutboxConfigurationException("Jobs are kept in the memory of this worker, and it has not the role 'jobs': nobody would run this one. Set Broker:Jobs:Storage to a database that a worker with the role 'jobs' uses too, or give this worker the role.");
        var source = sources.Find(work.Source) ?? throw new KeyNotFoundException($"Source '{work.Source}' is not configured.");
        var last = await new DeadLetterDesk(source.DataSource, source.Dialect, work.Actor).ListAsync(new DeadLetterDesk.Filter(), new DeadLetterDesk.Page(1, Descending: true), cancellationToken).ConfigureAwait(false);
        var bounded = work with { Filter = work.Filter with { UpTo = last is [var letter] ? letter.Id : 0 } };
        var id = client.Create(Job.FromExpression<LetterJob>(job => job.RunAsync(bounded, null!, CancellationToken.None)), new EnqueuedState());
        using var connection = storage.GetConnection();
        using var transaction = connection.CreateWriteTransaction();
        transaction.InsertToList(List, id);
        transaction.TrimList(List, 0, MostListed - 1);
        transaction.Commit();
        return id;
    }

    private static JobProgress? Find(IStorageConnection connection, string id)
    {
        if (connection.GetJobData(id) is not { } data)
            return null;
        var (done, total, isMore) = ProgressParameter.Read(connection.GetJobParameter(id, ProgressParameter.Name));
        return new JobProgress(id, data.State, data.Job?.Args is [LetterWork work, ..] ? work : null, done, total, isMore);
    }
}
