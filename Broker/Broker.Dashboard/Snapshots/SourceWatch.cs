using System.Data.Common;
using System.Diagnostics;
using Broker.Relay;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Sql;

namespace Broker.Dashboard.Snapshots;

/// <summary>Asks one source how it stands, on one connection, and keeps the answer for everybody who looks.</summary>
/// <remarks>The load on the source is the same for one open page and for a hundred: a statement every <see cref="Interval"/>, less often if it takes long, and every <see cref="IdleInterval"/> when nobody looks.</remarks>
internal sealed class SourceWatch
{
    /// <summary>How often a source is asked while somebody looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <summary>How often it is asked when nobody does, so that the charts have a past.</summary>
    public static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(15);

    /// <summary>How far back the charts go.</summary>
    public static readonly TimeSpan History = TimeSpan.FromMinutes(15);

    /// <summary>A source that has not answered by then counts as down.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The survey takes one part in so many of a connection's time, unless it is so slow that it would be asked less than every <see cref="IdleInterval"/>.</summary>
    private const int Share = 20;

    private const int NamedLetters = 3;
    private static readonly TimeSpan LettersInterval = TimeSpan.FromSeconds(30);

    private const string Unforeseen = "what it answers cannot be read; the worker's log says more";

    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Queue<SnapshotPoint> _points = new();
    private readonly OutboxSignal _looked = new();
    private volatile TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile SourceSnapshot _current;
    private DbConnection? _connection;
    private long _lookedAt;
    private long _lettersAt;
    private long _letterCount = -1;
    private int _partitions = 1;

    public SourceWatch(DashboardSource source, TimeProvider time, ILogger logger)
    {
        (_time, _logger) = (time, logger);
        _current = new SourceSnapshot(source, time.GetUtcNow(), null, null, time.GetUtcNow(), [], []);
    }

    /// <summary>The source.</summary>
    public DashboardSource Source => _current.Source;

    /// <summary>The last answer.</summary>
    public SourceSnapshot Current => _current;

    /// <summary>Whether somebody has looked lately.</summary>
    private bool IsLookedAt => _lookedAt != 0 && _time.GetElapsedTime(Interlocked.Read(ref _lookedAt)) < IdleInterval;

    /// <summary>Says that somebody looks. The task completes with the next answer; at once if the last one is fresh, or the source is in trouble anyhow.</summary>
    public Task LookAsync()
    {
        var (answered, current) = (_answered, _current);
        var isFresh = current.Trouble is not null || (current.Survey is not null && _time.GetUtcNow() - current.At < IdleInterval / 2);
        Interlocked.Exchange(ref _lookedAt, _time.GetTimestamp());
        _looked.Wake();
        return isFresh ? Task.CompletedTask : answered.Task;
    }

    /// <summary>Asks until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var looked = _looked.Next;
                var start = _time.GetTimestamp();
                await AskAsync(cancellationToken).ConfigureAwait(false);
                Interlocked.Exchange(ref _answered, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
                var took = _time.GetElapsedTime(start);
                // One that does not answer is asked often enough to be seen when it is back.
                var wait = TimeSpan.FromTicks(Math.Clamp(took.Ticks * Share, Interval.Ticks, IdleInterval.Ticks));
                await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
                if (!IsLookedAt)
                    await Task.WhenAny(looked, Task.Delay(IdleInterval - Interval, _time, cancellationToken)).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The host stops, or the source has gone from the configuration.
        }
        finally
        {
            await DropAsync().ConfigureAwait(false);
        }
    }

    private async Task AskAsync(CancellationToken cancellationToken)
    {
        var before = _current;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            // Not every driver's wait can be cancelled, and SQLite's blocks the thread.
            var (survey, letters) = await Task.Run(() => ReadAsync(before, limit.Token), limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
            var now = _time.GetUtcNow();
            _partitions = Math.Max(1, survey.Partitions);
            _points.Enqueue(new SnapshotPoint(now, survey.LastSequence, survey.Backlog, survey.IsEstimate));
            while (now - _points.Peek().At > History)
                _points.Dequeue();
            _current = new SourceSnapshot(before.Source, now, survey, null, now, letters, [.. _points]);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            _ = DropAsync();
            var (now, text) = (_time.GetUtcNow(), TextOf(exception, before.Name));
            // Not foreseen, so with its stack: a person has to look. The watch goes on.
            if (text is null && before.Trouble != Unforeseen)
                Log.SurveyFailed(_logger, exception, before.Name);
            _current = before with { At = now, Survey = null, Trouble = text ?? Unforeseen, Since = before.Trouble is not null || before.Survey is null ? before.Since : before.At };
        }
    }

    /// <summary>What an error means, for people; null if nobody has foreseen it.</summary>
    private static string? TextOf(Exception exception, string source) => exception switch
    {
        OperationCanceledException => $"no answer within {Patience.TotalSeconds:0} s",
        OutboxConfigurationException => exception.Message,
        _ when SqlErrors.IsMissingTable(exception) || SqlErrors.IsMissingColumn(exception) => $"its tables are missing or of another version: run 'broker schema --source {source} --create'",
        _ when SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception) => SqlErrors.TextOf(exception),
        _ => null,
    };

    private async Task<(SourceSurvey Survey, IReadOnlyList<DeadLetterDesk.Letter> Letters)> ReadAsync(SourceSnapshot before, CancellationToken cancellationToken)
    {
        var source = before.Source;
        if (_connection is null)
        {
            var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await connection.Command(source.Dialect.PrepareSurveyConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: false, cancellationToken).ConfigureAwait(false);
            _connection = connection;
        }
        var survey = await SourceSurvey.ReadAsync(_connection, _partitions, cancellationToken).ConfigureAwait(false);
        if (survey.Partitions != _partitions && survey.Partitions > 0)
            survey = await SourceSurvey.ReadAsync(_connection, survey.Partitions, cancellationToken).ConfigureAwait(false);
        var count = survey.DeadLetters;
        if (count == 0)
            return (survey, []);
        if (count == _letterCount && _time.GetElapsedTime(_lettersAt) < LettersInterval)
            return (survey, before.Letters);
        (_letterCount, _lettersAt) = (count, _time.GetTimestamp());
        var desk = new DeadLetterDesk(source.DataSource, source.Dialect, "");
        return (survey, await desk.ListAsync(new DeadLetterDesk.Filter(), new DeadLetterDesk.Page(NamedLetters, Descending: true), cancellationToken).ConfigureAwait(false));
    }

    private async Task DropAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is not { } connection)
            return;
        try
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or InvalidOperationException or IOException)
        {
            // It was broken; there is nothing left to give back.
            Debug.WriteLine(exception.Message);
        }
    }
}
