using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Looks now and then at how much waits in a source, for metrics and health, as long as the source's first partition is held: so one node does it, and no scrape does.</summary>
internal sealed class BacklogWatch(RelaySource source, TimeProvider time, ILogger logger)
{
    internal static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Nobody waits for news of an outbox in which nothing happens.</summary>
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(30);

    /// <summary>A look must not become most of the work: at most this part of the time.</summary>
    private const int Share = 50;

    /// <summary>Runs until cancelled. A failure leaves the last look standing; that the database is away others tell.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var (began, wait) = (time.GetTimestamp(), Interval);
                try
                {
                    var reading = await LookAsync(cancellationToken).ConfigureAwait(false);
                    source.State.Look(reading);
                    wait = reading is { Rows: 0, Scheduled: 0, DeadLetters: 0, Deferred: 0, Stray: 0 } && source.State.SincePublished > IdleInterval ? IdleInterval : Interval;
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    Log.BacklogUnknown(logger, source.Name, SqlErrors.TextOf(exception));
                }
                var pause = time.GetElapsedTime(began) * Share;
                await Task.Delay(pause > wait ? pause : wait, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        finally
        {
            source.State.Look(null);
        }
    }

    private async Task<OutboxReading> LookAsync(CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var backlog = await OutboxBacklog.ReadAsync(connection, source.State.Beat?.Partitions ?? 1, cancellationToken).ConfigureAwait(false);
        return new OutboxReading(backlog.Rows, backlog.Lag, backlog.Aside.Scheduled, backlog.Aside.DeadLetters, backlog.Aside.Deferred, backlog.Aside.Stray);
    }
}
