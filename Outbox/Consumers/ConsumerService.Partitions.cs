using System.Globalization;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;

namespace Outbox.Consumers;

/// <summary>Reads this process's share of a consumer's partitioned queues.</summary>
/// <remarks>
/// Order and once-ness do not hang on the leases, which only say who is to read what. A queue has one active reader at the broker, whoever believes to hold it; so a message of a key goes to a second process
/// only after the first one's channel is gone, and then everything that the first had not accepted comes first, in its order. What the first one still handles meanwhile holds its row of the inbox:
/// the second one's copy waits for that transaction, and changes nothing if it committed (G4). What was deferred is looked for, under its key, in the database that both share (G3).
/// </remarks>
internal sealed partial class ConsumerService
{
    private readonly TaskCompletionSource?[] _turns = new TaskCompletionSource?[options.Concurrency];

    private string LeaseGroup => $"consumer/{options.Name}";

    private string NumberPrefix => LeaseGroup + "/partitions/";

    private async Task ShareQueuesAsync(CancellationToken stoppingToken)
    {
        var bell = LeaseGroup + "/leases";
        var share = new LeasedPartitions(processor.Leases(time), string.Create(CultureInfo.InvariantCulture, $"{LeaseGroup}/{options.Partitions}"), options.Partitions, LeasedPartitions.NewOwner(), options.LeaseDuration, (partition, _, giveUp) => ReadAsync(partition, giveUp), time, logger)
        {
            Released = () => transport.Doorbell.Ring(bell),
        };
        using var others = transport.Doorbell.Listen(bell, share.Wake);
        state.Reading();
        await share.RunAsync(stoppingToken).ConfigureAwait(false);
    }

    /// <summary>Reads one of the queues until it is to be given up.</summary>
    private async Task ReadAsync(short partition, CancellationToken giveUp)
    {
        var queue = PartitionSlot.QueueOf(options.Queue, partition, options.Partitions);
        var subscription = await SubscribeAsync(partition, giveUp).ConfigureAwait(false);
        try
        {
            Log.PartitionStarted(logger, options.Name, queue);
            await Task.Delay(Timeout.InfiniteTimeSpan, time, giveUp).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            // Closing the channel gives everything back that is not accepted, and what of it waits here for its turn is passed over.
            await subscription.DisposeAsync().ConfigureAwait(false);
            // What is being handled goes on to its end, so that the next reader, which begins with the lease, has no need to wait for its transaction.
            await Task.WhenAll(Enumerable.Range(0, _turns.Length).Select(i => Volatile.Read(ref _turns[i])?.Task ?? Task.CompletedTask)).ConfigureAwait(false);
            Log.PartitionEnded(logger, options.Name, queue);
        }
    }

    /// <summary>A worker has something in hand until the result is set. One queue needs no such account: with its subscription the whole service ends.</summary>
    private TaskCompletionSource? BeginTurn(int worker)
    {
        if (options.Partitions == 1)
            return null;
        var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _turns[worker], turn);
        return turn;
    }

    /// <summary>Reads nothing while queues of another number of partitions exist: a key's messages in them come before those in the new ones (G3), and must not be left behind (G6).</summary>
    private async Task PartitionsFitAsync(CancellationToken stoppingToken)
    {
        for (var failures = 1; ; failures++)
        {
            var delay = Backoff.Delay(failures, OutageRetry, LongestOutageRetry);
            try
            {
                if (await ClaimNumberAsync(stoppingToken).ConfigureAwait(false) is not { } error)
                    return;
                state.Unfit(error);
                Log.PartitionsUnfit(logger, error, delay.TotalSeconds);
            }
            catch (Exception exception) when (exception is TransportException { IsTransient: true } || SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception))
            {
                Log.PartitionsUnfit(logger, $"Consumer '{options.Name}' cannot find out how many queues it has: {SqlErrors.TextOf(exception)}", delay.TotalSeconds);
            }
            await Task.Delay(delay, time, stoppingToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes this process's number of partitions the consumer's, if none of another number is in use; returns why that cannot be yet.</summary>
    /// <remarks>
    /// The number in use is the owner of the last row <c>consumer/name/partitions/1, 2, 3 …</c> in the leases. Each change is a row of its own, which one process alone can insert: who slept since it looked gets nothing.
    /// A death between the steps leaves queues that collect messages, and the next start goes on from there. A reply that is lost leaves the row, which the next look finds.
    /// </remarks>
    private async Task<string?> ClaimNumberAsync(CancellationToken cancellationToken)
    {
        var leases = processor.Leases(time);
        var standings = await leases.RenewAndListAsync(LeaseGroup + "/", [], TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
        var (version, inUse) = standings.Where(s => s.Name.StartsWith(NumberPrefix, StringComparison.Ordinal))
            .Select(s => (Version: int.Parse(s.Name.AsSpan(NumberPrefix.Length), CultureInfo.InvariantCulture), Number: int.Parse(s.Owner, CultureInfo.InvariantCulture)))
            .DefaultIfEmpty((Version: 0, Number: 1)).MaxBy(n => n.Version);
        if (inUse == options.Partitions)
            return null;
        // G2, G6: the new queues collect before anybody takes the old ones' bindings away. Copies in both are the inbox's affair.
        await transport.DeclareAsync(Subscription(0), cancellationToken).ConfigureAwait(false);
        for (var partition = 0; partition < inUse; partition++)
        {
            var old = PartitionSlot.QueueOf(options.Queue, partition, inUse);
            if (await transport.HasQueueAsync(old, cancellationToken).ConfigureAwait(false))
                return Unfit(inUse, $"queue '{old}' exists and may hold messages that come first.");
        }
        var member = string.Create(CultureInfo.InvariantCulture, $"{LeaseGroup}/{inUse}/member/");
        if (standings.FirstOrDefault(s => s.IsHeld && s.Name.StartsWith(member, StringComparison.Ordinal)) is { } other)
            return Unfit(inUse, $"process '{other.Owner}' still runs with the old number.");
        var name = string.Create(CultureInfo.InvariantCulture, $"{NumberPrefix}{version + 1}");
        var claim = await leases.TryAcquireAsync(name, options.Partitions.ToString(CultureInfo.InvariantCulture), LongestLease, cancellationToken, renews: false).ConfigureAwait(false);
        if (claim is null)
            return $"Consumer '{options.Name}': another process has just changed the number of partitions.";
        await claim.AbandonAsync().ConfigureAwait(false);
        return null;
    }

    private string Unfit(int inUse, string reason) =>
        $"Consumer '{options.Name}' is set to {options.Partitions} partitions and has used {inUse}: {reason} Its new queues collect messages meanwhile. " +
        $"Take the bindings of the old queues away, let processes with Partitions = {inUse} empty them, stop those and delete the old queues; or set Partitions = {inUse} again. See 'Changing the number of partitioned queues' in docs/operations.md.";

    private static readonly TimeSpan LongestLease = TimeSpan.FromDays(20);
}
