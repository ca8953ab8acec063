using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>Relays one source: waits for its database, leases its partitions and drains them. Its troubles are its own (G7).</summary>
internal sealed class SourceRelay(RelaySource source, string owner, TimeProvider time, ILogger logger, StepSignals steps)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LeasePoll = TimeSpan.FromMilliseconds(500);

    private readonly DatabaseLeases _leases = new(source.DataSource, source.Dialect, time);
    private readonly ConcurrentDictionary<short, PartitionDrainer> _drainers = new();
    private int _failures;
    private volatile bool _hasBegun;

    /// <summary>What does not flow in the partitions that this node drains: those that most rows wait for, at most <see cref="BlockedWatch.Most"/>. Thread-safe.</summary>
    public IReadOnlyList<BlockedKey> Blocked => [.. _drainers.Values.SelectMany(d => d.Blocked).OrderByDescending(b => b.Waiting).Take(BlockedWatch.Most)];

    /// <summary>The same as the text for the node's row in <c>relays</c>; null if everything flows. Thread-safe.</summary>
    public string? Status => RelayStatus.Write(Blocked);

    public Task RunAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, source.Partitions).Select(partition => Task.Run(() => RunPartitionAsync((short)partition, stoppingToken), CancellationToken.None)));

    /// <summary>Checks that the tables are there, and that no row lies where nobody reads.</summary>
    /// <exception cref="OutboxConfigurationException">They are not, or are of another version, or the user may not use them.</exception>
    public static Task CheckAsync(RelaySource source, ILogger logger, CancellationToken cancellationToken) => CheckAsync(source, logger, refusesNewer: true, cancellationToken);

    private static async Task CheckAsync(RelaySource source, ILogger logger, bool refusesNewer, CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer, cancellationToken).ConfigureAwait(false);
        var stray = await connection.Command(source.Dialect.StrayPartition).With("partitions", source.Partitions).ScalarAsync(cancellationToken).ConfigureAwait(false);
        if (stray is not null)
            Log.StrayPartition(logger, source.Name, Convert.ToInt32(stray, CultureInfo.InvariantCulture), source.Partitions);
    }

    private async Task RunPartitionAsync(short partition, CancellationToken stoppingToken)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"relay/{partition}");
        var isStandby = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var lease = await _leases.TryAcquireAsync(name, owner, source.Options.LeaseDuration, stoppingToken).ConfigureAwait(false);
                if (lease is null)
                {
                    if (!isStandby)
                        Log.Standby(logger, source.Name, partition);
                    isStandby = true;
                    await Task.Delay(LeasePoll, time, stoppingToken).ConfigureAwait(false);
                    continue;
                }
                isStandby = false;
                await using var _ = lease.ConfigureAwait(false);
                await DrainAsync(partition, lease, stoppingToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                if (!await SurviveAsync(partition, exception, stoppingToken).ConfigureAwait(false))
                    return;
            }
        }
    }

    private async Task DrainAsync(short partition, Lease lease, CancellationToken stoppingToken)
    {
        // The tables may be upgraded while it runs; it goes on until it is replaced, through lost leases and connections.
        await CheckAsync(source, logger, refusesNewer: !_hasBegun, stoppingToken).ConfigureAwait(false);
        _hasBegun = true;
        var store = await SqlOutboxStore.OpenAsync(source, partition, lease.Name, lease.Token, stoppingToken).ConfigureAwait(false);
        await using var _ = store.ConfigureAwait(false);
        Log.Draining(logger, source.Name, partition, source.Dialect.Name, lease.Token);
        var began = time.GetTimestamp();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(lease.LostToken, stoppingToken);
        var retention = partition == 0 ? new ArchiveRetention(source, time, logger).RunAsync(ended.Token) : Task.CompletedTask;
        try
        {
            using var drainer = new PartitionDrainer(source, store, time, logger, steps);
            _drainers[partition] = drainer;
            await drainer.RunAsync(lease.LostToken, stoppingToken).ConfigureAwait(false);
            Log.Stopped(logger, source.Name, partition);
        }
        catch (Exception exception) when (exception is LeaseLostException || (exception is OperationCanceledException && lease.LostToken.IsCancellationRequested))
        {
            Log.LeaseLost(logger, source.Name, partition, lease.Token);
        }
        finally
        {
            _drainers.TryRemove(partition, out var _);
            if (time.GetElapsedTime(began) > LongestRetry)
                _failures = 0;
            await ended.CancelAsync().ConfigureAwait(false);
            await retention.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The outermost catch: says what happened in words for people, and waits before the next try. False when the relay stops meanwhile.</summary>
    private async Task<bool> SurviveAsync(short partition, Exception exception, CancellationToken stoppingToken)
    {
        var delay = Backoff.Delay(Interlocked.Increment(ref _failures), FirstRetry, LongestRetry);
        switch (exception)
        {
            case OutboxConfigurationException:
                Log.Misconfigured(logger, exception.Message, delay.TotalSeconds);
                break;
            case TransportException:
                Log.ChannelFailed(logger, source.Name, exception.Message);
                break;
            case var _ when SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception):
                Log.DatabaseFailed(logger, source.Name, partition, SqlErrors.TextOf(exception), delay.TotalSeconds);
                break;
            default:
                // Not foreseen, so with its stack: a person has to look. The relay of this source goes on; the others never noticed.
                Log.Unexpected(logger, exception, source.Name, partition, delay.TotalSeconds);
                break;
        }
        await Task.Delay(delay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stoppingToken.IsCancellationRequested;
    }
}
