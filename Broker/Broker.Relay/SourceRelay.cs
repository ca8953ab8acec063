using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Relays one source together with the other relays of it: tells them that it lives, holds its share of the partitions, and drains them. Its troubles are its own (G7).</summary>
/// <remarks>
/// One loop owns all state. What a death between two steps does: a lease runs out by the database's clock and another relay takes it. What a minute's sleep does: the leases' own deadlines have passed
/// before anything else runs, the drainers end, and what they still try to settle is refused by its token (G5).
/// While drainers have nothing to do, this loop looks for new rows for all of them at once: one statement for a source, however many partitions it has.
/// </remarks>
[SuppressMessage("Reliability", "CA1001", Justification = "RunAsync disposes of them at its end.")]
internal sealed class SourceRelay(RelaySource source, string owner, TimeProvider time, ILogger logger, StepSignals steps)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan BusyBeat = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MinRingInterval = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestLate = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Attention = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan FullLookInterval = TimeSpan.FromSeconds(60);

    /// <summary>The part of a lease's duration after which it is renewed at the latest.</summary>
    private const double LongestBeat = 0.6;

    /// <summary>A drainer that falls asleep has just looked: the next look is as long after as if it had looked so often before. Those who write often meet it, the others seldom pay for it.</summary>
    private const int PollsBeforeSleep = 2;

    /// <summary>A statement looks for at most so many partitions.</summary>
    private const int MaxFloors = 200;

    private readonly DatabaseLeases _leases = new(source.DataSource, source.Dialect, time);
    private readonly RelayConnections _connections = new(source, source.Options.MaxConnections);
    private readonly Dictionary<short, HeldPartition> _held = [];
    private readonly Dictionary<short, long> _freeSince = [];
    private readonly Dictionary<short, int> _failures = [];
    private readonly Dictionary<short, long> _notBefore = [];
    private readonly BeatConnection _beats = new(source, logger);
    private RelayBeat? _last;
    private int _beatFailures;
    private bool _isStandby;
    private bool _areLeasesFree;
    private TaskCompletionSource _asleep = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _nextBeatAt = time.GetTimestamp();
    private long _writeBy = time.GetTimestamp();
    private bool _isQuiet;
    private long _nextPollAt = long.MaxValue;
    private long _attentiveUntil = time.GetTimestamp();
    private long _lastFullLook = time.GetTimestamp();
    private int _emptyPolls;
    private readonly RepartitionWatch _repartition = new(source, owner, time, logger);

    /// <summary>Under this name relays tell each other that leases are free before they end: no source can have it.</summary>
    private string LeaseBell => source.Name + "/leases";

    /// <summary>What does not flow in the partitions that this relay drains: those that most rows wait for, at most <see cref="BlockedWatch.Most"/>. For the loop only.</summary>
    private IEnumerable<BlockedKey> Blocked => _held.Values.SelectMany(h => h.Blocked).OrderByDescending(b => b.Waiting).Take(BlockedWatch.Most);

    /// <summary>Runs until told to stop; then finishes what is on its way and gives its leases up.</summary>
    public async Task RunAsync(CancellationToken stoppingToken)
    {
        using var running = source.State.Run(time);
        // Rings of many writers come as one: a look finds what all of them have committed.
        using var heard = new Throttle(MinRingInterval, time, source.Signal.Wake);
        using var doorbell = source.Doorbell ? source.Transport.Doorbell.Listen(source.Name, heard.Call) : null;
        // Not the relay's own token: whoever cancels waits for the driver, and a driver has been known to hang when its wait for notifications was cancelled (npgsql#5975).
        var deaf = new CancellationTokenSource();
        var listening = source.Notify ? Task.Run(() => new NotifyListener(source, heard.Call, time, logger).RunAsync(deaf.Token), CancellationToken.None) : Task.CompletedTask;
        using var others = source.Doorbell ? source.Transport.Doorbell.Listen(LeaseBell, LeasesAreFree) : null;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                try
                {
                    await StepAsync(stoppingToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
                {
                    break;
                }
                catch (Exception exception)
                {
                    var delay = Backoff.Delay(++_beatFailures, FirstRetry, _held.Count > 0 ? FirstRetry * 2 : LongestRetry);
                    SourceTrouble.Report(logger, source, partition: -1, exception is OperationCanceledException ? new TimeoutException("no answer in time", exception) : exception, delay);
                    _nextPollAt = _nextBeatAt = After(delay);
                    source.State.Turned();
                    await ReapAsync().ConfigureAwait(false);
                    await WaitAsync(stoppingToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            source.Signal.IsDrainedHere = false;
            _ = deaf.CancelAsync();
            await EndAsync().ConfigureAwait(false);
            await listening.WaitAsync(LongestLate, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // ── One turn ────────────────────────────────────────────────────────────────────────────────────────────────

    private async Task StepAsync(CancellationToken stoppingToken)
    {
        source.State.Turned();
        // Taken before looking: a commit during it raises the next signal.
        var (signal, asleep) = (source.Signal.Next, Volatile.Read(ref _asleep).Task);
        await ReapAsync().ConfigureAwait(false);
        if (Interlocked.Exchange(ref _areLeasesFree, false) || time.GetTimestamp() >= _nextBeatAt)
            await BeatAsync(stoppingToken).ConfigureAwait(false);
        else if (time.GetTimestamp() >= _nextPollAt)
            await PollAsync(stoppingToken).ConfigureAwait(false);
        source.Signal.IsDrainedHere = _last is { } beat && _held.Count >= beat.Partitions;
        await WaitAsync(stoppingToken, signal, asleep).ConfigureAwait(false);
        if (signal.IsCompleted)
            Signalled();
        else if (asleep.IsCompleted)
            (_emptyPolls, _nextPollAt) = (PollsBeforeSleep + 1, After(FirstPoll * Math.Pow(2, PollsBeforeSleep)));
    }

    /// <summary>For any thread.</summary>
    private void LeasesAreFree()
    {
        Interlocked.Exchange(ref _areLeasesFree, true);
        source.Signal.Wake();
    }

    /// <summary>A drainer has nothing to do any more, so this loop looks for it. For any thread.</summary>
    private void FellAsleep() => Interlocked.Exchange(ref _asleep, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private void Signalled()
    {
        (_emptyPolls, _nextPollAt) = (0, time.GetTimestamp());
        // With one partition it is clear where the rows are; who is awake looks anyway, and sooner is better.
        foreach (var held in _held.Values)
        {
            if (_held.Count == 1 || held.AsleepAbove is null)
                held.Wake();
        }
        if (_held.Count == 1)
            _nextPollAt = After(FirstPoll);
    }

    private async Task WaitAsync(CancellationToken stoppingToken, Task? signal = null, Task? asleep = null)
    {
        var until = Math.Min(_nextBeatAt, Sleepers().Count > 0 ? _nextPollAt : long.MaxValue);
        var wait = time.GetElapsedTime(time.GetTimestamp(), until);
        if (wait <= TimeSpan.Zero || signal is { IsCompleted: true } || asleep is { IsCompleted: true })
            return;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var waits = new List<Task>(_held.Count + 3) { Task.Delay(wait, time, ended.Token) };
        if (signal is not null)
            waits.Add(signal);
        if (asleep is not null)
            waits.Add(asleep);
        waits.AddRange(_held.Values.Select(h => h.Ended));
        await Task.WhenAny(waits).ConfigureAwait(false);
        await ended.CancelAsync().ConfigureAwait(false);
        stoppingToken.ThrowIfCancellationRequested();
    }

    // ── Looking for rows ────────────────────────────────────────────────────────────────────────────────────────

    private List<(short Partition, long Floor)> Sleepers()
    {
        var sleepers = new List<(short, long)>();
        foreach (var held in _held.Values)
        {
            if (held.AsleepAbove is { } floor && sleepers.Count < MaxFloors)
                sleepers.Add((held.Partition, floor));
        }
        return sleepers;
    }

    private async Task PollAsync(CancellationToken stoppingToken)
    {
        var sleepers = Sleepers();
        var found = sleepers.Count == 0 ? [] : await _beats.UseAsync(
            (connection, cancellationToken) => RelayBeat.FindRowsAsync(connection, sleepers, cancellationToken), stoppingToken).ConfigureAwait(false);
        Woken(found);
        if (found.Count > 0)
            return;
        // Fast at first, then slower, and from the idle poll on with the beat.
        var next = FirstPoll * Math.Pow(2, Math.Min(_emptyPolls++, 20));
        _nextPollAt = next < source.Options.IdlePoll ? After(next) : long.MaxValue;
    }

    private void Woken(IReadOnlyList<short> partitions)
    {
        foreach (var partition in partitions)
        {
            if (_held.TryGetValue(partition, out var held))
                held.Wake();
        }
        if (partitions.Count > 0)
            (_emptyPolls, _nextPollAt) = (0, After(FirstPoll));
    }

    // ── Sharing the partitions ──────────────────────────────────────────────────────────────────────────────────

    private async Task BeatAsync(CancellationToken stoppingToken)
    {
        var isFull = time.GetElapsedTime(_lastFullLook) >= FullLookInterval;
        // From zero now and then: a database restored from a backup begins its numbers again.
        var floors = isFull ? [.. Sleepers().Select(s => (s.Partition, 0L))] : Sleepers();
        var held = _held.Values.Where(h => !h.Ended.IsCompleted).ToList();
        var asked = time.GetTimestamp();
        // While all is quiet most beats only read: an idle database is not written to every second.
        var writes = !_isQuiet || _last is null || After(Quiet(_last)) > _writeBy;
        var beat = await _beats.UseAsync(
            (connection, cancellationToken) => writes
                ? RelayBeat.SendAsync(connection, owner, source.Options.LeaseDuration, RelayStatus.Write([.. Blocked]), [.. held.Select(h => (h.Lease.Name, h.Lease.Token))], floors, cancellationToken)
                : RelayBeat.LookAsync(connection, owner, floors, cancellationToken),
            stoppingToken).ConfigureAwait(false);
        if (isFull)
            _lastFullLook = asked;
        (_beatFailures, _last) = (0, beat);
        if (writes)
        {
            _writeBy = asked + Ticks(source.Options.LeaseDuration * LongestBeat);
            Renewed(held, beat, asked);
        }
        Woken(beat.WithRows);
        OutboxMetrics.DatabaseDuration.Record(time.GetElapsedTime(asked).TotalSeconds, source.State.Source, new("operation", "beat"));
        source.State.Answered(beat, _held.Count, [.. Blocked]);
        held.ForEach(h => h.TellThatItWorks());
        var isSettled = await ShareAsync(beat, stoppingToken).ConfigureAwait(false);
        source.State.Holds(_held.Count);
        if (Sleepers().Count == _held.Count && time.GetTimestamp() > _attentiveUntil)
            await _connections.CloseIdleAsync().ConfigureAwait(false);
        ScheduleBeat(beat, isSettled);
    }

    private static void Renewed(IReadOnlyList<HeldPartition> held, RelayBeat beat, long asked)
    {
        foreach (var partition in held)
        {
            // G5: the token tells who holds it; a name could be a predecessor's.
            if (beat.Renewed.Contains((partition.Lease.Name, partition.Lease.Token)))
                partition.Lease.Extend(asked);
            else
                partition.Lease.Lose();
        }
    }

    /// <summary>How long after another a beat comes while all is quiet: all relays together look about once in each idle poll, but each renews its leases in time.</summary>
    private TimeSpan Quiet(RelayBeat beat)
    {
        var (share, longest) = (source.Options.IdlePoll * 1.25 * (beat.Others.Count + 1), source.Options.LeaseDuration * LongestBeat);
        return share < longest ? share : longest;
    }

    private void ScheduleBeat(RelayBeat beat, bool isSettled)
    {
        var (duration, now) = (source.Options.LeaseDuration, time.GetTimestamp());
        var isBusy = _held.Values.Any(h => h.AsleepAbove is null);
        if (isBusy || !isSettled)
            _attentiveUntil = After(Attention);
        _isQuiet = now > _attentiveUntil;
        var quiet = Quiet(beat);
        var busy = BusyBeat < duration / 4 ? BusyBeat : duration / 4;
        // G5: more relays than at the last beat must not put off the renewal.
        _nextBeatAt = Math.Min(_writeBy, After(!_isQuiet && busy < quiet ? busy : quiet));
        // Whoever waits for a lease asks at the moment at which it ends by the database's clock, each a little later than the last.
        var mine = _held.Values.Select(h => h.Lease.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var lease in beat.Leases.Where(l => l.SecondsLeft > 0 && !mine.Contains(l.Name) && l.Partition < beat.Partitions))
            _nextBeatAt = Math.Min(_nextBeatAt, After(TimeSpan.FromSeconds(lease.SecondsLeft + 0.02 + (Random.Shared.NextDouble() * 0.1))));
    }

    /// <summary>Gives up what is too much and takes what is free. False as long as something is on the move.</summary>
    private async Task<bool> ShareAsync(RelayBeat beat, CancellationToken stoppingToken)
    {
        var now = time.GetTimestamp();
        if (beat.NextPartitions is not null)
        {
            // G3: while the number changes, rows of one key may lie in two partitions.
            foreach (var partition in _held.Values)
                partition.Stop();
            _freeSince.Clear();
            if (_held.Count == 0)
                _repartition.Look(beat, stoppingToken);
            return false;
        }
        var holders = new Dictionary<short, string>();
        foreach (var lease in beat.Leases)
        {
            if (lease.Partition is not { } partition || lease.SecondsLeft <= 0)
                continue;
            // Nobody here drains it any more: its drainer lost it by its own clock, and a beat extended it all the same. Others, and this one, could take it only when it ends.
            if (lease.Owner == owner && !_held.ContainsKey(partition))
                await _leases.ReleaseAsync(lease.Name, lease.Token, stoppingToken).ConfigureAwait(false);
            else
                holders[partition] = lease.Owner;
        }
        source.State.DrainedByOthers(holders.Where(h => h.Value != owner).Select(h => h.Key));
        foreach (var partition in _held.Keys)
            holders[partition] = owner;
        foreach (var partition in _freeSince.Keys.Where(holders.ContainsKey).ToList())
            _freeSince.Remove(partition);
        for (short partition = 0; partition < beat.Partitions; partition++)
        {
            if (!holders.ContainsKey(partition))
                _freeSince.TryAdd(partition, now);
        }
        var abandoned = _freeSince.Where(f => time.GetElapsedTime(f.Value, now) > source.Options.LeaseDuration).Select(f => f.Key).ToHashSet();
        var decision = FairShare.Decide(beat.Partitions, owner, beat.Others, holders, abandoned);
        foreach (var partition in decision.GiveUp)
            _held[partition].Stop();
        var taken = 0;
        foreach (var partition in decision.Take)
        {
            if (_notBefore.GetValueOrDefault(partition) > now || _held.ContainsKey(partition))
                continue;
            if (await _leases.TryAcquireAsync(RelayBeat.LeaseOf(partition), owner, source.Options.LeaseDuration, stoppingToken, renews: false).ConfigureAwait(false) is not { } lease)
                continue;
            _held.Add(partition, new HeldPartition(source, partition, lease, _connections, FellAsleep, time, logger, steps));
            _freeSince.Remove(partition);
            taken++;
        }
        var isStandby = _held.Count == 0 && holders.Count > 0;
        if (isStandby && !_isStandby)
            Log.Standby(logger, source.Name, beat.Partitions);
        _isStandby = isStandby;
        return taken == 0 && decision.GiveUp.Count == 0 && holders.Count + taken >= beat.Partitions;
    }

    /// <summary>Takes leave of drainers that have ended, and says why.</summary>
    private async Task ReapAsync()
    {
        if (_repartition.TakeFailure(out var pause) is { } failed)
            SourceTrouble.Report(logger, source, partition: -1, failed, pause);
        foreach (var held in _held.Values.Where(h => h.Ended.IsCompleted).ToList())
        {
            _held.Remove(held.Partition);
            await held.DisposeAsync().ConfigureAwait(false);
            _nextBeatAt = Math.Min(_nextBeatAt, After(FirstPoll));
            if (held.Ended.Exception?.InnerException is not { } exception)
            {
                _failures.Remove(held.Partition);
                source.State.Drains(held.Partition);
                RingForLeases();
                continue;
            }
            var failures = _failures[held.Partition] = _failures.GetValueOrDefault(held.Partition) + 1;
            var delay = Backoff.Delay(failures, FirstRetry, LongestRetry);
            SourceTrouble.Report(logger, source, held.Partition, exception, delay);
            _notBefore[held.Partition] = After(delay);
        }
    }

    private async Task EndAsync()
    {
        foreach (var held in _held.Values)
            held.Stop();
        // First of all, so that the others leave it no share of what its drainers give up one after another.
        await SignOffAsync().ConfigureAwait(false);
        foreach (var held in _held.Values)
            await held.DisposeAsync().ConfigureAwait(false);
        if (_held.Count > 0)
            RingForLeases();
        await _repartition.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _beats.DisposeAsync().ConfigureAwait(false);
        await _connections.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SignOffAsync()
    {
        if (_last is null)
            return;
        // A beat under way would put it on the list again, and the others would leave it a share.
        await Task.WhenAny(_beats.Late, Task.Delay(LongestLate, time)).ConfigureAwait(false);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
        try
        {
            await _beats.UseAsync((connection, cancellationToken) => connection.Command(source.Dialect.RemoveRelay).With("owner", owner).ExecuteAsync(cancellationToken), limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or OperationCanceledException or InvalidOperationException or TimeoutException or OutboxConfigurationException)
        {
            // It counts as dead after a while.
        }
    }

    /// <summary>Tells the other relays that leases are free, so that they need not find it out by looking.</summary>
    private void RingForLeases()
    {
        if (source.Doorbell)
            source.Transport.Doorbell.Ring(LeaseBell);
    }

    private long After(TimeSpan delay) => time.GetTimestamp() + Ticks(delay);

    private long Ticks(TimeSpan delay) => (long)(delay.TotalSeconds * time.TimestampFrequency);
}
