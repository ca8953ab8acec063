using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Brings deferred messages back to the workers when their time has come. Every process of a service runs one; who takes a message up decides the row's lock.</summary>
/// <remarks>
/// The message goes through the same queue of keys as a delivery, so in this process it runs when its key is free. It is only a copy: the row stays until the transaction that applies it.
/// A death, or a sleep, anywhere here loses nothing; the row is due again, here or in another process.
/// </remarks>
internal sealed class RetryLoop(ConsumerOptions options, MessageProcessor processor, KeyedWorkQueue<IncomingMessage> work, TimeProvider time, ILogger logger)
{
    /// <summary>A process that gets no deliveries leaves what is due to the others for this long.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan ActiveFor = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(20);

    /// <summary>Those that fail together come back together, with one look. Each look costs the database more than the retry that it finds.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private const int FewestInMemory = 64;
    private const int MostFollowing = 20;

    private readonly ConcurrentDictionary<long, byte> _inMemory = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource _wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long? _next;
    private long _active = long.MinValue;
    private bool _unparked;

    private int Room => Math.Max(FewestInMemory, options.BatchSize);

    /// <summary>This process gets deliveries.</summary>
    public void Active() => Volatile.Write(ref _active, time.GetTimestamp());

    /// <summary>A message was deferred here, and is due after this.</summary>
    public void Soon(TimeSpan wait)
    {
        Active();
        var due = time.GetTimestamp() + (long)(wait.TotalSeconds * time.TimestampFrequency);
        lock (_lock)
        {
            if (_next is { } next && next <= due)
                return;
            _next = due;
            _wake.TrySetResult();
        }
    }

    /// <summary>A deferred message is out of the workers' hands.</summary>
    public void Finished(DeferredRow row) => _inMemory.TryRemove(row.Id, out _);

    /// <summary>The next deferred messages of a key, after one of it was dealt with; null if there are none that may run now.</summary>
    public async Task<(IncomingMessage? First, IReadOnlyList<IncomingMessage> Others)> NextOfAsync(IncomingMessage last, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await processor.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            var limit = Math.Max(MostFollowing, options.BatchSize);
            var rows = options.NumberOf(last) is { } number
                ? WithoutGap(await processor.Deferred.NumbersOfKeyAsync(connection, last.OrderKey!, number, limit, cancellationToken).ConfigureAwait(false), number)
                : await processor.Deferred.OfKeyAsync(connection, last.OrderKey!, limit, cancellationToken).ConfigureAwait(false);
            var messages = rows.TakeWhile(r => r.State != DeferredState.Dead).Select(r => r.Message).ToList();
            return messages is [var first, .. var rest] ? (first, rest) : default;
        }
        catch (Exception exception) when (SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception))
        {
            // The first of them was made due when the one before it went, so it is found.
            return default;
        }
    }

    private static IEnumerable<DeferredQueue.Listed> WithoutGap(IEnumerable<DeferredQueue.Listed> rows, long number) => rows.TakeWhile(r => r.Message.KeySequence == ++number);

    public async Task RunAsync(CancellationToken stoppingToken)
    {
        for (var failures = 0; !stoppingToken.IsCancellationRequested;)
        {
            lock (_lock)
                _next = null;
            TimeSpan wait;
            try
            {
                wait = await LookAsync(stoppingToken).ConfigureAwait(false);
                failures = 0;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                wait = Backoff.Delay(++failures, FirstPause, LongestPause);
                if (failures == 1)
                    Log.RetriesFailed(logger, options.Name, wait.TotalSeconds, SqlErrors.TextOf(exception));
            }
            await WaitAsync(wait, stoppingToken).ConfigureAwait(false);
        }
    }

    /// <summary>Hands over what is due, and tells how long nothing else will be: zero when there may be more.</summary>
    private async Task<TimeSpan> LookAsync(CancellationToken cancellationToken)
    {
        var room = Room - _inMemory.Count;
        if (room <= 0)
            return TimeSpan.Zero;
        var connection = await processor.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        if (!_unparked)
        {
            // Nobody promotes what an earlier configuration let wait.
            if (!options.KeepOrder || options.ByKeySequence)
                await processor.Deferred.UnparkAsync(connection, DeferredState.Behind, cancellationToken).ConfigureAwait(false);
            // Nor does the clock what was to wait for ever.
            if (!options.ByKeySequence || options.GapTimeout is not null)
                await processor.Deferred.UnparkAsync(connection, DeferredState.Gap, cancellationToken).ConfigureAwait(false);
            _unparked = true;
        }
        var limit = room + 1;
        var rows = await processor.Deferred.ListAsync(connection, [.. _inMemory.Keys], limit, cancellationToken).ConfigureAwait(false);
        var late = IsActive ? TimeSpan.Zero : Patience;
        var (wait, behind) = (rows.Count == limit ? TimeSpan.Zero : options.RetryLook, new List<DeferredQueue.Listed>());
        foreach (var row in rows)
        {
            if (row.Due + late > TimeSpan.Zero)
            {
                wait = row.Due + late < wait ? row.Due + late : wait;
                break;
            }
            if (options.OrderKeyOf(row.Message) is not null && !row.IsFirst)
            {
                // Parking holds the first for a moment; a worker of ours that is at it would take that for another process.
                if (!_inMemory.ContainsKey(row.First))
                    behind.Add(row);
            }
            else if (_inMemory.TryAdd(row.Message.Row!.Id, 0))
            {
                // What may have waited long enough for a number that never came is looked at by itself.
                row.Message.IsAlone = (row.State == DeferredState.Gap && row.Message.Row.Age >= options.GapTimeout) || (options.NumberOf(row.Message) is not null && row.Message.Row is { State: DeferredState.Failed, Attempts: 0 });
                work.Add(options.QueueKeyOf(row.Message), row.Message);
            }
        }
        if (behind.Count > 0)
            await ParkAsync(connection, behind, cancellationToken).ConfigureAwait(false);
        return wait;
    }

    private bool IsActive => Volatile.Read(ref _active) is var active && active != long.MinValue && time.GetElapsedTime(active) < ActiveFor;

    private async Task ParkAsync(DbConnection connection, List<DeferredQueue.Listed> behind, CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(SqlDialect.Of(connection).ConsumerIsolation, cancellationToken).ConfigureAwait(false);
        await using var _ = transaction.ConfigureAwait(false);
        await processor.Deferred.ParkAsync(transaction, behind, cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Waits, or until something is due earlier.</summary>
    private async Task WaitAsync(TimeSpan longest, CancellationToken stoppingToken)
    {
        // When there is more than a look takes, nothing is gathered.
        await Task.Delay(longest == TimeSpan.Zero ? BetweenLooks : Gathering, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var until = time.GetTimestamp() + (long)(longest.TotalSeconds * time.TimestampFrequency);
        while (!stoppingToken.IsCancellationRequested)
        {
            Task wake;
            lock (_lock)
            {
                until = _next is { } next && next < until ? next : until;
                if (_wake.Task.IsCompleted)
                    _wake = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wake = _wake.Task;
            }
            var left = time.GetElapsedTime(time.GetTimestamp(), until);
            if (left <= TimeSpan.Zero)
                return;
            await wake.WaitAsync(left, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
