using System.Globalization;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Messages;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Says every few seconds, in the consumer's own database, that this process of it lives, and what it has done. For people alone: nothing is decided by it.</summary>
internal sealed class ConsumerBeat(ConsumerOptions options, MessageProcessor processor, SqlDialect dialect, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Who has not been heard of for so long counts as dead.</summary>
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(35);

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    /// <summary>The lag is that of one message in so much time.</summary>
    private static readonly TimeSpan LagInterval = TimeSpan.FromSeconds(1);

    private readonly string _owner = LeasedPartitions.NewOwner();
    private long _applied;
    private long _duplicates;
    private long _failures;
    private long _deadLetters;
    private long _lastApplied = long.MinValue;
    private long _lastLag = long.MinValue;
    private double _lag = double.NaN;

    /// <summary>Counts what became of a message. For any thread.</summary>
    public void Count(BatchResult result)
    {
        switch (result.Outcome)
        {
            case BatchOutcome.Applied:
                Interlocked.Increment(ref _applied);
                Applied(result.Incoming);
                break;
            case BatchOutcome.Known:
                Interlocked.Increment(ref _duplicates);
                break;
            case BatchOutcome.Failed:
                Interlocked.Increment(ref _failures);
                break;
            case BatchOutcome.Dead:
                Interlocked.Increment(ref _failures);
                Interlocked.Increment(ref _deadLetters);
                break;
        }
    }

    /// <summary>Runs until told to stop; then the row goes.</summary>
    public async Task RunAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await TryAsync(WriteAsync, stoppingToken).ConfigureAwait(false);
            await Task.Delay(Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        using var limit = new CancellationTokenSource(Farewell, time);
        await TryAsync(RemoveAsync, limit.Token).ConfigureAwait(false);
    }

    private void Applied(IncomingMessage incoming)
    {
        var now = time.GetTimestamp();
        Volatile.Write(ref _lastApplied, now);
        var last = Volatile.Read(ref _lastLag);
        if (last != long.MinValue && time.GetElapsedTime(last, now) < LagInterval)
            return;
        Volatile.Write(ref _lastLag, now);
        Volatile.Write(ref _lag, DateTimeOffset.TryParse(incoming.Delivery.Headers.GetValueOrDefault(MessageHeaders.Time), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var written)
            ? Math.Max(0, (time.GetUtcNow() - written).TotalSeconds) : double.NaN);
    }

    private ConsumerStatus Status()
    {
        var (last, lag) = (Volatile.Read(ref _lastApplied), Volatile.Read(ref _lag));
        double? ago = last == long.MinValue ? null : time.GetElapsedTime(last).TotalSeconds;
        return new ConsumerStatus(
            options.Queue, Interlocked.Read(ref _applied), Interlocked.Read(ref _duplicates), Interlocked.Read(ref _failures), Interlocked.Read(ref _deadLetters),
            ago < Expiry.TotalSeconds && !double.IsNaN(lag) ? lag : null, ago);
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        var connection = await processor.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.WriteConsumerStatus).With("consumer", options.Name).With("owner", _owner)
            .With("milliseconds", (long)Expiry.TotalMilliseconds).With("status", Status().Write()).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task RemoveAsync(CancellationToken cancellationToken)
    {
        var connection = await processor.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.RemoveConsumerStatus).With("consumer", options.Name).With("owner", _owner).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task TryAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        try
        {
            await work(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // Whether the database is away the workers tell, whose messages depend on it.
            if (logger.IsEnabled(LogLevel.Debug))
                Log.StatusNotWritten(logger, options.Name, SqlErrors.TextOf(exception));
        }
    }
}
