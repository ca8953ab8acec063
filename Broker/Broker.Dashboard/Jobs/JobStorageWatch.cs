using Hangfire;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Broker.Dashboard.Jobs;

/// <summary>Opens the storage of the jobs as soon as its database answers, and looks on whether it still does. Nothing that happens to it ends the worker: relays do not depend on it (G7). Thread-safe.</summary>
/// <param name="storage">What everything waits for.</param>
/// <param name="settings">Which storage it is.</param>
/// <param name="findings">What the jobs have found: it is asked for together with the storage, so that whoever tells the worker's health has it at hand.</param>
/// <param name="create">Makes it, and its tables where they are missing; connects and may wait.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where to tell.</param>
internal sealed class JobStorageWatch(AwaitedJobStorage storage, JobStorageSettings settings, Findings findings, Func<JobStorage> create, TimeProvider time, ILogger<JobStorageWatch> logger) : BackgroundService
{
    /// <summary>A storage that has not answered by then is waited for while the worker runs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2.5);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    /// <summary>More reasons than so are not told in one outage.</summary>
    private const int MostTold = 5;

    private readonly TaskCompletionSource _looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private volatile string? _trouble = "It has not answered yet";

    /// <summary>The kind of the storage.</summary>
    public JobStorageKind Kind => settings.Kind;

    /// <summary>Why jobs and dashboard wait now, in the words of the database; null if they do not. It holds no connection string.</summary>
    public string? Trouble => _trouble;

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (settings.Kind == JobStorageKind.InMemory)
        {
            // Nothing to wait for or to watch.
            storage.Open(create());
            _trouble = null;
            return;
        }
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
        // So that a worker whose storage is there never begins by saying that it is not.
        await _looked.Task.WaitAsync(Patience, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var failures = 0; !stoppingToken.IsCancellationRequested;)
        {
            failures = await LookAsync(stoppingToken).ConfigureAwait(false) ? 0 : failures + 1;
            _looked.TrySetResult();
            await Task.Delay(failures == 0 ? Interval : Backoff.Delay(failures, FirstWait, LongestWait), time, stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> LookAsync(CancellationToken stoppingToken)
    {
        // Drivers and Hangfire wait without asking a token.
        var look = Task.Factory.StartNew(Look, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await ((Task)look).WaitAsync(Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stoppingToken.ThrowIfCancellationRequested();
        if (!look.IsCompleted)
            Fail("It does not answer", needsPerson: false);
        try
        {
            await look.WaitAsync(stoppingToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            Fail(SqlErrors.TextOf(exception), SqlErrors.IsAccessDenied(exception) || SqlErrors.IsUntrustedServer(exception) || SqlErrors.IsForeignServer(exception));
            return false;
        }
        if (_told.Count > 0)
            Log.StorageReached(logger, settings.Kind);
        _told.Clear();
        _trouble = null;
        return true;
    }

    private bool Look()
    {
        var opened = storage.Opened.IsCompletedSuccessfully ? storage.Opened.Result : create();
        // One of its storages creates no tables when the database is away, and says nothing: only a query tells.
        using (var connection = opened.GetConnection())
            connection.GetAllItemsFromSet(JobsService.Recurring);
        storage.Open(opened);
        findings.Refresh();
        return true;
    }

    private void Fail(string error, bool needsPerson)
    {
        _trouble = error;
        if (_told.Count >= MostTold || !_told.Add(error))
            return;
        if (needsPerson)
            Log.StorageRefuses(logger, settings.Kind, error);
        else
            Log.StorageAway(logger, settings.Kind, error);
    }
}
