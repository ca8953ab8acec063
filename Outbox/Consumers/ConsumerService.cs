using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;
using Outbox.Transport;

namespace Outbox.Consumers;

/// <summary>Stage 5 of a message's way: takes deliveries, has them processed in order per key, and accepts each one once its fate is committed.</summary>
/// <remarks>
/// If the process dies before the commit, nothing happened and the broker delivers again. If it dies between commit and accept, the broker delivers again and the inbox tells.
/// If it sleeps anywhere, another process may get the same message: the inbox's unique key lets one of them commit.
/// </remarks>
internal sealed partial class ConsumerService(ConsumerOptions options, ITransport transport, MessageProcessor processor, ConsumerState state, TimeProvider time, ILogger<ConsumerService> logger) : BackgroundService
{
    private const int MaxBrokenConnections = 20;
    private static readonly TimeSpan OutageRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestOutageRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan RetentionInterval = TimeSpan.FromHours(1);
    private static readonly TimeSpan FirstRetention = TimeSpan.FromMinutes(1);

    private readonly KeyedWorkQueue<IncomingMessage> _work = new();
    private readonly SemaphoreSlim _probing = new(1);
    private readonly ConsumerBeat _beat = new(options, processor, processor.Dialect, time, logger);
    private RetryLoop _retries = null!;
    private bool _unavailable;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var shown = state.Run();
        await SchemaFitsAsync(stoppingToken).ConfigureAwait(false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        // Before the broker: while that is away, what was deferred is tried on.
        _retries = new RetryLoop(options, processor, _work, time, logger);
        var retries = _retries.RunAsync(stop.Token);
        var workers = Task.WhenAll(Enumerable.Range(0, options.Concurrency).Select(worker => Task.Run(() => WorkAsync(worker, stop.Token), CancellationToken.None)));
        var retention = RetainAsync(stop.Token);
        var beat = _beat.RunAsync(stop.Token);
        IAsyncDisposable? subscription = null;
        try
        {
            await PartitionsFitAsync(stoppingToken).ConfigureAwait(false);
            if (options.Partitions > 1)
            {
                await ShareQueuesAsync(stoppingToken).ConfigureAwait(false);
            }
            else
            {
                subscription = await SubscribeAsync(0, stoppingToken).ConfigureAwait(false);
                state.Reading();
                Log.ConsumerStarted(logger, options.Name, options.Queue, processor.Types.Count, options.Concurrency);
                await workers.ConfigureAwait(false);
            }
        }
        finally
        {
            state.Stopped(stoppingToken.IsCancellationRequested);
            // Also when the broker has refused the subscription for good: the error is to be seen, and nothing goes on without a queue.
            await stop.CancelAsync().ConfigureAwait(false);
            await workers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // In-flight handlers have finished or rolled back. Closing the channel gives everything else back to the broker.
            if (subscription is not null)
                await subscription.DisposeAsync().ConfigureAwait(false);
            await retention.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await retries.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await beat.ConfigureAwait(false);
            Log.ConsumerStopped(logger, options.Name);
        }
    }

    private Task<IAsyncDisposable> SubscribeAsync(int partition, CancellationToken stoppingToken) => transport.SubscribeAsync(
        Subscription(partition),
        (delivery, _) =>
        {
            _retries.Active();
            state.Delivered();
            var incoming = new IncomingMessage(delivery);
            if (options.BatchSize > 1)
                processor.ReadAhead(incoming);
            _work.Add(options.QueueKeyOf(incoming), incoming);
            return ValueTask.CompletedTask;
        },
        stoppingToken);

    private SubscriptionOptions Subscription(int partition) => new()
    {
        Queue = options.Queue,
        Exchange = options.Exchange,
        Types = processor.Types,
        Prefetch = (ushort)options.Prefetch,
        SingleActiveConsumer = options.KeepOrder,
        Partitions = options.Partitions,
        Partition = partition,
    };

    /// <summary>With tables of another version nothing is touched: every message would fail. A migration may be under way, so it looks again. A database that is away is no reason to wait here.</summary>
    private async Task SchemaFitsAsync(CancellationToken stoppingToken)
    {
        for (var failures = 1; ; failures++)
        {
            try
            {
                await processor.CheckSchemaAsync(logger, stoppingToken).ConfigureAwait(false);
                return;
            }
            catch (OutboxConfigurationException exception)
            {
                var delay = Backoff.Delay(failures, OutageRetry, LongestOutageRetry);
                state.Unfit(exception.Message);
                Log.SchemaUnfit(logger, exception.Message, delay.TotalSeconds);
                await Task.Delay(delay, time, stoppingToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception))
            {
                return;
            }
        }
    }

    private async Task WorkAsync(int worker, CancellationToken stoppingToken)
    {
        var connection = new WorkerConnection(time);
        await using var _ = connection.ConfigureAwait(false);
        try
        {
            while (true)
            {
                if (!_work.Ready.TryRead(out var next))
                {
                    await connection.GiveBackAsync().ConfigureAwait(false);
                    next = await _work.Ready.ReadAsync(stoppingToken).ConfigureAwait(false);
                }
                stoppingToken.ThrowIfCancellationRequested();
                var (key, incoming) = next;
                // After a deferred one its followers are looked for, on another connection.
                var keeps = options.BatchSize == 1 && incoming.Row is null;
                if (!keeps)
                    await connection.GiveBackAsync().ConfigureAwait(false);
                var turn = BeginTurn(worker);
                try
                {
                    if (options.BatchSize == 1 || incoming.IsAlone)
                        await FinishAsync(key, incoming, keeps ? connection : null, stoppingToken).ConfigureAwait(false);
                    else
                        await FinishTogetherAsync(key, incoming, stoppingToken).ConfigureAwait(false);
                }
                finally
                {
                    turn?.SetResult();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Not accepted, so delivered again.
        }
    }

    private async Task FinishAsync(string? key, IncomingMessage incoming, WorkerConnection? connection, CancellationToken stoppingToken)
    {
        // A lost delivery comes again behind those that are here. Handling it would be work for nothing, and after some reconnects most of the work.
        if (incoming.Delivery.IsLost)
        {
            _work.Done(key);
            return;
        }
        BatchResult result;
        try
        {
            result = await processor.ApplyAsync(incoming, connection, stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            if (connection is not null)
                await connection.GiveBackAsync().ConfigureAwait(false);
            if (await FailAsync(key, incoming, exception, stoppingToken).ConfigureAwait(false) is not { } setback)
                return;
            result = setback;
        }
        // G4: accept after commit. A crash in between brings the message again; the inbox, the deferred messages or the dead letter know it.
        await AcceptAsync(incoming).ConfigureAwait(false);
        Tell(result);
        await GiveBackAsync(key, [result], stoppingToken).ConfigureAwait(false);
    }

    /// <summary>Gives the key back; before that, deferred messages of it that come next have their turn.</summary>
    private async Task GiveBackAsync(string? key, IReadOnlyList<BatchResult> results, CancellationToken stoppingToken)
    {
        var last = results.LastOrDefault(r => r.Incoming.Row is not null);
        if (last is { IsSettled: true } && key is not null)
        {
            // The next of those that were read together, or what the table has: messages that came while earlier ones of the key were deferred.
            var (next, others) = last.Incoming.Following is { Count: > 0 } following ? (following[0], [.. following.Skip(1)])
                : last.KeyGoesOn ? await _retries.NextOfAsync(last.Incoming, stoppingToken).ConfigureAwait(false) : default;
            if (next is not null)
            {
                next.Following = others;
                _work.Again(key, next);
                return;
            }
        }
        _work.Done(key);
    }

    /// <summary>Accepts a delivery whose fate is committed. An error is no failure of the message: the broker delivers it again, and the inbox, or the dead letter's key, tells.</summary>
    private async Task AcceptAsync(IncomingMessage incoming)
    {
        try
        {
            await incoming.Delivery.AcceptAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.NotAccepted(logger, exception, options.Name, incoming.ToString());
        }
    }

    /// <summary>Has a failed message deferred or set aside. Null: it was no failure of the message, which runs again later, its key waiting.</summary>
    private async Task<BatchResult?> FailAsync(string? key, IncomingMessage incoming, Exception exception, CancellationToken stoppingToken)
    {
        incoming.IsAlone = true;
        // G8: an outage of the database is no failure of the message. A handler's own network error looks alike, so the database is asked.
        if (SqlErrors.IsUnavailable(exception))
        {
            var waited = await WaitOutOutageAsync(exception, stoppingToken).ConfigureAwait(false);
            if (waited || IsShortOutage(incoming, exception))
            {
                _ = AgainAfterAsync(key, incoming, Backoff.Delay(waited ? 1 : incoming.ShortOutages, options.RetryDelay, options.MaxRetryDelay), stoppingToken);
                return null;
            }
        }
        for (var failures = 1; ; failures++)
        {
            try
            {
                // G6: deferred or set aside before accept. A crash in between does it again, under the same key.
                return await processor.SetBackAsync(incoming, exception, stoppingToken).ConfigureAwait(false);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                Log.DatabaseUnavailable(logger, options.Name, SqlErrors.TextOf(error));
                await Task.Delay(Backoff.Delay(failures, OutageRetry, LongestOutageRetry), time, stoppingToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Waits until the database answers and takes writes; false if it does at once, so that it was no outage, or is over.</summary>
    private async Task<bool> WaitOutOutageAsync(Exception exception, CancellationToken stoppingToken)
    {
        // One prober at a time: a database that comes back is not greeted by every worker at once.
        await _probing.WaitAsync(stoppingToken).ConfigureAwait(false);
        try
        {
            for (var failures = 1; !await processor.IsDatabaseAvailableAsync(stoppingToken).ConfigureAwait(false); failures++)
            {
                if (!_unavailable)
                {
                    _unavailable = true;
                    state.DatabaseAway(SqlErrors.TextOf(exception));
                    Log.DatabaseUnavailable(logger, options.Name, SqlErrors.TextOf(exception));
                }
                await Task.Delay(Backoff.Delay(failures, OutageRetry, LongestOutageRetry), time, stoppingToken).ConfigureAwait(false);
            }
            var waited = _unavailable;
            if (waited)
            {
                state.Reading();
                Log.DatabaseAvailable(logger, options.Name);
            }
            _unavailable = false;
            return waited;
        }
        finally
        {
            _probing.Release();
        }
    }

    /// <summary>An error of a database that is well by now. A broken connection counts as that for a while only: it may be the handler's own, to a database that is nowhere.</summary>
    private bool IsShortOutage(IncomingMessage incoming, Exception exception)
    {
        // One that was deferred has had its share of patience.
        if (!SqlErrors.IsOfDatabase(exception) || ((++incoming.ShortOutages > MaxBrokenConnections || incoming.Attempts > 0) && IsBrokenConnection(exception)))
            return false;
        if (incoming.ShortOutages == 1)
            Log.ShortOutage(logger, options.Name, incoming.ToString(), SqlErrors.TextOf(exception));
        return true;
    }

    /// <summary>Whether the connection broke. Otherwise the database itself said that it cannot now: one that is full may still take the probe's small row, and refuse the message as often as it is tried.</summary>
    private static bool IsBrokenConnection(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is SocketException or IOException or TimeoutException or ObjectDisposedException)
                return true;
        }
        return false;
    }

    private async Task AgainAfterAsync(string? key, IncomingMessage incoming, TimeSpan delay, CancellationToken stoppingToken)
    {
        await Task.Delay(delay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _work.Again(key, incoming);
    }

    private async Task RetainAsync(CancellationToken stoppingToken)
    {
        // Soon after the start: a service that is deployed every half hour must forget, too.
        for (var wait = FirstRetention; !stoppingToken.IsCancellationRequested; wait = RetentionInterval)
        {
            await Task.Delay(wait, time, stoppingToken).ConfigureAwait(false);
            try
            {
                if (await processor.ForgetOldAsync(time, stoppingToken).ConfigureAwait(false) is > 0 and var count)
                    Log.Forgotten(logger, options.Name, count, options.InboxRetention);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                Log.ForgettingFailed(logger, options.Name, SqlErrors.TextOf(exception));
            }
        }
    }

    /// <summary>Counts what became of a message, and logs it.</summary>
    private void Tell(BatchResult result)
    {
        var (incoming, tag) = (result.Incoming, new KeyValuePair<string, object?>("consumer", options.Name));
        _beat.Count(result);
        // Before the word that it is due soon: a look in between would leave out what is said to be in our hands.
        if (incoming.Row is { } row)
            _retries.Finished(row);
        if (result.FreesOthers)
            _retries.Soon(TimeSpan.Zero);
        switch (result.Outcome)
        {
            case BatchOutcome.Applied:
                OutboxMetrics.Applied.Add(1, tag);
                state.Applied(incoming);
                if (logger.IsEnabled(LogLevel.Debug))
                    Log.Applied(logger, options.Name, incoming.ToString());
                break;
            case BatchOutcome.Known:
                OutboxMetrics.Duplicates.Add(1, tag);
                if (logger.IsEnabled(LogLevel.Debug))
                    Log.Duplicate(logger, options.Name, incoming.ToString());
                break;
            case BatchOutcome.Failed:
                OutboxMetrics.Failures.Add(1, tag);
                state.Deferred("failed");
                Log.AttemptFailed(logger, options.Name, incoming.ToString(), incoming.Attempts + 1, options.MaxAttempts, result.Wait.TotalSeconds, MessageProcessor.ReasonOf(result.Error!));
                _retries.Soon(result.Wait);
                break;
            case BatchOutcome.Behind:
                state.Deferred("behind");
                if (logger.IsEnabled(LogLevel.Debug))
                    Log.Behind(logger, options.Name, incoming.ToString());
                _retries.Soon(options.NumberOf(incoming) is null ? MessageProcessor.BehindLook : TimeSpan.Zero);
                break;
            case BatchOutcome.Dead:
                OutboxMetrics.Failures.Add(1, tag);
                OutboxMetrics.DeadLetters.Add(1, tag);
                Log.DeadLettered(logger, options.Name, incoming.ToString(), incoming.Attempts + 1, MessageProcessor.ReasonOf(result.Error!));
                break;
            case BatchOutcome.NotOurs:
                // Whoever holds it may leave it as it is.
                _retries.Soon(LookAgain);
                break;
            case BatchOutcome.Ignored:
                if (logger.IsEnabled(LogLevel.Debug))
                    Log.Ignored(logger, options.Name, incoming.ToString());
                break;
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _probing.Dispose();
    }
}
