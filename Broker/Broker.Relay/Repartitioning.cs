using System.Data.Common;
using System.Globalization;
using Outbox;
using Outbox.Locks;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Changes the number of an outbox's partitions, while its services go on writing and its relays run. Whoever finds a change that nobody works on can go on with it.</summary>
/// <remarks>
/// G3: rows of one key may lie in two partitions while the number changes, so nobody publishes until all of them lie in one again:
/// 1. The new number is announced. Relays see it with their next sign of life, finish what is on its way and give their partitions up; their leases are taken here, so that a relay which saw nothing is refused by its token (G5).
/// 2. The new number becomes the one that writers count with. The old one is kept beside it, below zero, so that whoever takes over knows it.
/// 3. Writers use a number for <see cref="PartitionCount.Lifetime"/> at most. After twice that, and when the transactions that were open then have ended, all new rows lie where they belong.
/// 4. Rows that lie elsewhere are moved, until a look finds none, committed or not.
/// 5. The announcement is taken back, and the leases are given up.
/// Each step is one statement that names the step before it and checks the token of <see cref="LeaseName"/>. A death between two of them leaves a state that says what comes next; whoever takes over waits and looks again.
/// A row is only ever moved as a whole, by one statement, so nothing is lost or doubled whatever dies (G2).
/// </remarks>
internal sealed class Repartitioning
{
    /// <summary>Who holds it works on the change.</summary>
    public const string LeaseName = "relay/repartition";

    /// <summary>How long rows may still be written by the old number.</summary>
    internal static readonly TimeSpan Grace = PartitionCount.Lifetime * 2;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);
    private const int BatchSize = 1_000;
    private const int LeasesAtOnce = 100;

    private readonly DbDataSource _dataSource;
    private readonly SqlDialect _dialect;
    private readonly string _owner;
    private readonly TimeSpan _duration;
    private readonly TimeProvider _time;
    private readonly Action<RepartitionProgress> _tell;
    private readonly DatabaseLeases _leases;
    private readonly List<(string Name, long Token)> _held = [];
    private Lease _lease = null!;
    private DbConnection _connection = null!;
    private long _moved;
    private long _renewed;

    /// <param name="dataSource">The database.</param>
    /// <param name="dialect">Its engine.</param>
    /// <param name="owner">Who works on it, for people.</param>
    /// <param name="duration">How long the leases last without being renewed.</param>
    /// <param name="time">The clock.</param>
    /// <param name="tell">Told what goes on, for people.</param>
    public Repartitioning(DbDataSource dataSource, SqlDialect dialect, string owner, TimeSpan duration, TimeProvider time, Action<RepartitionProgress> tell)
    {
        (_dataSource, _dialect, _owner, _duration, _time, _tell) = (dataSource, dialect, owner, duration, time, tell);
        _leases = new DatabaseLeases(dataSource, dialect, time);
    }

    /// <summary>What the database says: the partitions, and what is going on with them (<see cref="SqlDialect.ReadSettings"/>).</summary>
    public static async Task<(int Partitions, int Next)> ReadAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).ReadSettings);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false)
            ? (Convert.ToInt32(reader.GetValue(0), CultureInfo.InvariantCulture), Convert.ToInt32(reader.GetValue(1), CultureInfo.InvariantCulture))
            : throw new OutboxConfigurationException("The table outbox_settings has no row with id 1, so it is unknown how many partitions the outbox has. Put it back with 'broker schema --create', which changes nothing else.");
    }

    /// <summary>Works on the change that has been announced, or first announces one. False if somebody else is at it.</summary>
    /// <param name="partitions">The number wanted; null to go on with what has been announced, if anything.</param>
    /// <param name="cancellationToken">Stops it, between two steps; somebody else, or the next call, goes on.</param>
    /// <exception cref="OutboxConfigurationException">Another number has been announced.</exception>
    /// <exception cref="LeaseLostException">Somebody else has taken over.</exception>
    public async Task<bool> TryRunAsync(int? partitions, CancellationToken cancellationToken)
    {
        if (await _leases.TryAcquireAsync(LeaseName, _owner, _duration, cancellationToken).ConfigureAwait(false) is not { } lease)
            return false;
        await using var _ = lease.ConfigureAwait(false);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(lease.LostToken, cancellationToken);
        (_lease, _connection) = (lease, await _dataSource.OpenConnectionAsync(ended.Token).ConfigureAwait(false));
        await using var __ = _connection.ConfigureAwait(false);
        try
        {
            await _connection.Command(_dialect.PrepareRelayConnection).ExecuteAsync(ended.Token).ConfigureAwait(false);
            await _connection.Command(_dialect.PrepareBeatConnection).ExecuteAsync(ended.Token).ConfigureAwait(false);
            await RunAsync(partitions, ended.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (lease.LostToken.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new LeaseLostException();
        }
        finally
        {
            await ReleaseAsync().ConfigureAwait(false);
        }
    }

    private async Task RunAsync(int? wanted, CancellationToken cancellationToken)
    {
        var (partitions, next) = await ReadAsync(_connection, cancellationToken).ConfigureAwait(false);
        var target = next < 0 ? partitions : next;
        if (next != 0 && wanted is { } other && other != target)
            throw new OutboxConfigurationException(string.Create(CultureInfo.InvariantCulture, $"The number of partitions is being changed to {target}. End that first with --set-partitions {target}, then change it to {other}."));
        if (next == 0)
        {
            if (wanted is not { } planned || planned == partitions)
                return;
            // Before anything stops: a transaction that somebody left open would keep it stopped.
            await WritersAsync(cancellationToken).ConfigureAwait(false);
            await StepAsync(_connection.Command(_dialect.PlanPartitions).With("partitions", (short)planned), cancellationToken).ConfigureAwait(false);
            (target, next) = (planned, planned);
        }
        var old = next < 0 ? -next : partitions;
        await TakeAsync(Math.Max(old, target), cancellationToken).ConfigureAwait(false);
        if (next > 0)
            await StepAsync(_connection.Command(_dialect.TurnPartitions).With("partitions", (short)target).With("old", (short)old), cancellationToken).ConfigureAwait(false);
        var turned = _time.GetTimestamp();
        // Most of it while the writers still get to know.
        await MoveAsync(old, target, cancellationToken).ConfigureAwait(false);
        await GraceAsync(turned, cancellationToken).ConfigureAwait(false);
        await WritersAsync(cancellationToken).ConfigureAwait(false);
        while (await MoveAsync(old, target, cancellationToken).ConfigureAwait(false))
            await PauseAsync(cancellationToken).ConfigureAwait(false);
        await StepAsync(_connection.Command(_dialect.EndPartitions).With("old", (short)old), cancellationToken).ConfigureAwait(false);
        Tell(RepartitionStage.Done, old, target);
    }

    // ── Holding still ───────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Takes the lease of each partition as soon as its relay has given it up, or has died.</summary>
    private async Task TakeAsync(int count, CancellationToken cancellationToken)
    {
        for (var missing = Enumerable.Range(0, count).Select(RelayBeat.LeaseOf).ToList(); missing.Count > 0;)
        {
            Tell(RepartitionStage.Stopping, count - missing.Count, count);
            foreach (var name in missing.ToList())
            {
                if (await _leases.TryAcquireAsync(name, _owner, _duration, cancellationToken, renews: false).ConfigureAwait(false) is not { } lease)
                    continue;
                // Renewed together with the others, below; a token that was raised stays raised.
                await lease.AbandonAsync().ConfigureAwait(false);
                _held.Add((name, lease.Token));
                missing.Remove(name);
                await RenewAsync(cancellationToken).ConfigureAwait(false);
            }
            if (missing.Count > 0)
                await PauseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        if (_time.GetElapsedTime(_renewed) < _duration / 4)
            return;
        _renewed = _time.GetTimestamp();
        foreach (var some in _held.Chunk(LeasesAtOnce))
        {
            var command = _connection.Command(_dialect.RenewLeases(some.Length)).With("milliseconds", (long)_duration.TotalMilliseconds);
            SqlDialect.BindHeld(command, some);
            if (await command.ExecuteAsync(cancellationToken).ConfigureAwait(false) < some.Length)
                throw new LeaseLostException();
        }
    }

    private async Task ReleaseAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time);
        try
        {
            foreach (var (name, token) in _held)
                await _leases.ReleaseAsync(name, token, limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or OperationCanceledException or InvalidOperationException)
        {
            // They run out by themselves.
        }
        _held.Clear();
    }

    private async Task GraceAsync(long since, CancellationToken cancellationToken)
    {
        while (Grace - _time.GetElapsedTime(since) is { Ticks: > 0 } left)
        {
            Tell(RepartitionStage.Writers, (long)left.TotalSeconds, 0);
            await PauseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits for the end of the transactions that write to the outbox now, where the engine lists them. Elsewhere a look at uncommitted rows tells, or, on SQLite, there are none beside this one.</summary>
    private async Task WritersAsync(CancellationToken cancellationToken)
    {
        HashSet<string>? open = null;
        while (_dialect.ListWriters is { } sql)
        {
            var now = new Dictionary<string, string?>(StringComparer.Ordinal);
            var command = _connection.Command(sql);
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using var _ = reader.ConfigureAwait(false);
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    now[reader.GetString(0)] = reader.IsDBNull(1) ? null : reader.GetString(1);
            }
            open ??= [.. now.Keys];
            open.IntersectWith(now.Keys);
            if (open.Count == 0)
                return;
            var first = open.Order(StringComparer.Ordinal).First();
            Tell(RepartitionStage.Transactions, open.Count, 0, now[first] is { } idle ? $"{first}, idle since {idle}" : first);
            await PauseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task PauseAsync(CancellationToken cancellationToken)
    {
        await RenewAsync(cancellationToken).ConfigureAwait(false);
        await Task.Delay(Poll, _time, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>G5: a step that changes nothing was taken by somebody else.</summary>
    private async Task StepAsync(DbCommand command, CancellationToken cancellationToken)
    {
        if (await command.With("lease", LeaseName).With("token", _lease.Token).ExecuteAsync(cancellationToken).ConfigureAwait(false) == 0)
            throw new LeaseLostException();
    }

    // ── Moving ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Where a row belongs.</summary>
    /// <remarks>A row that was inserted by hand into partition 0, without counting, stays there: so will the next one of its key.</remarks>
    internal static short Place(string? key, int partition, int old, int partitions) =>
        partition == 0 && Partitioner.PartitionOf(key, old) != 0 ? (short)0 : Partitioner.PartitionOf(key, partitions);

    /// <summary>Moves what lies elsewhere. True if there was something, or there will be when a transaction commits.</summary>
    private async Task<bool> MoveAsync(int old, int partitions, CancellationToken cancellationToken)
    {
        var found = await MoveMessagesAsync(_dialect.NextPartition, _dialect.ReadKeys, old, partitions, moves: true, cancellationToken).ConfigureAwait(false)
            | await MoveByIdAsync(_dialect.ReadScheduledKeys, _dialect.MoveScheduled, old, partitions, cancellationToken).ConfigureAwait(false)
            | await MoveByIdAsync(_dialect.ReadDeadLetterKeys, _dialect.MoveDeadLetters, old, partitions, cancellationToken).ConfigureAwait(false);
        if (found || _dialect.NextUncommittedPartition is not { } next || _dialect.ReadUncommittedKeys is not { } keys)
            return found;
        return await MoveMessagesAsync(next, keys, old, partitions, moves: false, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> MoveMessagesAsync(string nextPartition, string readKeys, int old, int partitions, bool moves, CancellationToken cancellationToken)
    {
        var found = false;
        for (int? partition = short.MinValue; partition is not null;)
        {
            var value = await _connection.Command(nextPartition).With("after", (short)partition).ScalarAsync(cancellationToken).ConfigureAwait(false);
            partition = value is null ? null : Convert.ToInt32(value, CultureInfo.InvariantCulture);
            for (long after = 0; partition is { } from;)
            {
                var rows = await ReadAsync(_connection.Command(readKeys).With("partition", (short)from).With("after", after).With("limit", BatchSize), _ => from, cancellationToken).ConfigureAwait(false);
                if (rows.Count == 0)
                    break;
                after = rows[^1].Id;
                found |= await MoveAsync(rows, old, partitions, moves ? _dialect.MoveMessages : null, from, cancellationToken).ConfigureAwait(false);
            }
        }
        return found;
    }

    private async Task<bool> MoveByIdAsync(string readKeys, string move, int old, int partitions, CancellationToken cancellationToken)
    {
        var found = false;
        for (long after = 0; ;)
        {
            var rows = await ReadAsync(_connection.Command(readKeys).With("after", after).With("limit", BatchSize), r => Convert.ToInt32(r.GetValue(2), CultureInfo.InvariantCulture), cancellationToken).ConfigureAwait(false);
            if (rows.Count == 0)
                return found;
            after = rows[^1].Id;
            found |= await MoveAsync(rows, old, partitions, move, from: null, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<List<(long Id, string? Key, int Partition)>> ReadAsync(DbCommand command, Func<DbDataReader, int> partition, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var rows = new List<(long, string?, int)>(BatchSize);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            rows.Add((reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetString(1), partition(reader)));
        return rows;
    }

    private async Task<bool> MoveAsync(List<(long Id, string? Key, int Partition)> rows, int old, int partitions, string? move, int? from, CancellationToken cancellationToken)
    {
        await RenewAsync(cancellationToken).ConfigureAwait(false);
        var strangers = rows.Select(r => (r.Id, r.Partition, Target: Place(r.Key, r.Partition, old, partitions))).Where(r => r.Target != r.Partition).ToList();
        foreach (var group in move is null ? [] : strangers.GroupBy(r => r.Target, r => r.Id))
        {
            var ids = group.ToList();
            var command = _connection.Command(move!).With("sequences", _dialect.SequencesParameter(ids)).With("target", group.Key).With("lease", LeaseName).With("token", _lease.Token);
            if (from is { } partition)
                command.With("partition", (short)partition);
            await command.ExecuteAsync(cancellationToken).ConfigureAwait(false);
            _moved += ids.Count;
            Tell(RepartitionStage.Moving, _moved, 0);
        }
        return strangers.Count > 0;
    }

    private void Tell(RepartitionStage stage, long done, long of, string? what = null) => _tell(new RepartitionProgress(stage, done, of, what));
}
