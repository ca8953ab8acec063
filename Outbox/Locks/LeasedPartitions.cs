using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Locks;

/// <summary>Shares numbered work evenly among the processes of a group, by leases in their database: each runs the partitions that it holds, and takes over what another leaves.</summary>
/// <remarks>
/// One loop owns all state. A process that dies anywhere leaves leases that run out by the database's clock; one that sleeps finds its own deadlines passed and its work told to stop.
/// A reply that is lost after the database gave a lease leaves one that nobody uses: it runs out too.
/// A lease is for efficiency: two may work on one partition for a moment, and what they work on must bear it.
/// Names: <c>group/member/owner</c> for each process that lives, <c>group/partition/number</c> for what it holds.
/// </remarks>
/// <param name="leases">The group's database.</param>
/// <param name="group">The name of the group; the number of partitions belongs into it, so that processes that disagree about it do not share.</param>
/// <param name="partitions">How many there are.</param>
/// <param name="owner">This process, unlike any other's.</param>
/// <param name="duration">How long a lease lasts without being renewed: the longest time that a dead process's work lies idle, give or take a second.</param>
/// <param name="work">Runs one partition, under its lease, until it is told to stop; then it finishes what is in hand and returns, and the lease is released. An error is logged, and the partition is tried again later.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The log.</param>
[SuppressMessage("Reliability", "CA1001", Justification = "RunAsync disposes of them at its end.")]
internal sealed class LeasedPartitions(DatabaseLeases leases, string group, int partitions, string owner, TimeSpan duration, Func<short, Lease, CancellationToken, Task> work, TimeProvider time, ILogger logger)
{
    /// <summary>With one renewal for two looks: about one statement a second for each process.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(1_500);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan JustAfter = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<short, Held> _held = [];
    private readonly Dictionary<short, long> _freeSince = [];
    private readonly Dictionary<short, (int Failures, long NotBefore)> _failures = [];
    private TaskCompletionSource _wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Lease? _member;
    private long _renewAt = time.GetTimestamp();

    private sealed record Held(Lease Lease, CancellationTokenSource GiveUp, Task Ended);

    private string PartitionPrefix => group + "/partition/";

    private string MemberPrefix => group + "/member/";

    /// <summary>Whether transactions are guarded by the partitions' leases.</summary>
    public bool IsFenced { get; init; }

    /// <summary>Called after leases of this process have become free, so that others may be told to look. Must not throw.</summary>
    public Action? Released { get; init; }

    /// <summary>The owner's name as it fits into a lease's name.</summary>
    public static string NewOwner()
    {
        var machine = Environment.MachineName;
        return FormattableString.Invariant($"{(machine.Length > 30 ? machine[..30] : machine)}/{Environment.ProcessId}/{Guid.CreateVersion7():N}");
    }

    /// <summary>Leases may be free: looks at once. For any thread.</summary>
    public void Wake() => Volatile.Read(ref _wake).TrySetResult();

    /// <summary>Runs until told to stop; then what is in hand is finished, and every lease is given up.</summary>
    public async Task RunAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                // Taken before looking: what becomes free during it raises the next one.
                if (_wake.Task.IsCompleted)
                    Interlocked.Exchange(ref _wake, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
                TimeSpan wait;
                try
                {
                    await ReapAsync().ConfigureAwait(false);
                    wait = await LookAsync(stoppingToken).ConfigureAwait(false);
                    failures = 0;
                }
                catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
                {
                    break;
                }
                catch (Exception exception) when (exception is DbException or InvalidOperationException or IOException or TimeoutException or OperationCanceledException)
                {
                    // What is held is worked on until its own deadline.
                    wait = Backoff.Delay(++failures, FirstRetry, _held.Count > 0 ? FirstRetry * 2 : LongestRetry);
                    if (failures == 1)
                        Log.SharingFailed(logger, group, wait.TotalSeconds, SqlErrors.TextOf(exception));
                }
                await WaitAsync(wait, stoppingToken).ConfigureAwait(false);
            }
        }
        finally
        {
            await EndAsync().ConfigureAwait(false);
        }
    }

    private async Task<TimeSpan> LookAsync(CancellationToken cancellationToken)
    {
        if (_member is null || _member.LostToken.IsCancellationRequested)
            await JoinAsync(cancellationToken).ConfigureAwait(false);
        var asked = time.GetTimestamp();
        var renews = asked >= _renewAt;
        var standings = await leases.RenewAndListAsync(group + "/", renews ? [.. Mine().Select(l => (l.Name, l.Token))] : [], duration, cancellationToken).ConfigureAwait(false);
        var live = standings.Where(s => s.IsHeld).ToDictionary(s => s.Name, StringComparer.Ordinal);
        foreach (var lease in Mine())
        {
            // What had ended was not extended, so what lasts still has been.
            if (!live.TryGetValue(lease.Name, out var standing) || standing.Token != lease.Token)
                lease.Lose();
            else if (renews)
                lease.Extend(asked);
        }
        if (renews)
            _renewAt = asked + Ticks(duration * 0.3 < LookInterval * 2 ? duration * 0.3 : LookInterval * 2);
        await ShareAsync([.. live.Values], cancellationToken).ConfigureAwait(false);

        // What a dead process holds is free as soon as its lease has ended.
        var others = live.Values.Where(s => s.Owner != owner).Select(s => s.Left + JustAfter).DefaultIfEmpty(LookInterval).Min();
        var renewal = time.GetElapsedTime(time.GetTimestamp(), _renewAt);
        var wait = others < renewal ? others : renewal;
        return wait < LookInterval ? wait : LookInterval;
    }

    private IEnumerable<Lease> Mine() => (_member is null ? [] : new[] { _member }).Concat(_held.Values.Where(h => !h.Ended.IsCompleted).Select(h => h.Lease));

    private async Task JoinAsync(CancellationToken cancellationToken)
    {
        if (_member is { } lost)
            await lost.DisposeAsync().ConfigureAwait(false);
        // Null: its own old lease has not ended by the database's clock. It is found at the next look.
        _member = await leases.TryAcquireAsync(MemberPrefix + owner, owner, duration, cancellationToken, renews: false).ConfigureAwait(false);
        await leases.DeleteOldAsync(MemberPrefix, cancellationToken).ConfigureAwait(false);
    }

    private async Task ShareAsync(IReadOnlyList<LeaseStanding> live, CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        var holders = new Dictionary<short, string>();
        foreach (var standing in live)
        {
            if (standing.Name.StartsWith(PartitionPrefix, StringComparison.Ordinal) && short.TryParse(standing.Name.AsSpan(PartitionPrefix.Length), out var number))
                holders[number] = standing.Owner;
        }
        for (short p = 0; p < partitions; p++)
        {
            if (holders.ContainsKey(p))
                _freeSince.Remove(p);
            else
                _freeSince.TryAdd(p, now);
        }
        var others = live.Where(s => s.Name.StartsWith(MemberPrefix, StringComparison.Ordinal) && s.Owner != owner).Select(s => s.Owner);
        var abandoned = _freeSince.Where(f => now - f.Value > Ticks(duration)).Select(f => f.Key).ToHashSet();
        var decision = FairShare.Decide(partitions, owner, others, holders, abandoned);
        foreach (var partition in decision.GiveUp)
        {
            if (_held.TryGetValue(partition, out var held))
                await held.GiveUp.CancelAsync().ConfigureAwait(false);
        }
        if (_member is null)
            return;
        foreach (var partition in decision.Take)
        {
            if (_held.ContainsKey(partition) || (_failures.TryGetValue(partition, out var failed) && failed.NotBefore > now))
                continue;
            if (await leases.TryAcquireAsync(FormattableString.Invariant($"{PartitionPrefix}{partition}"), owner, duration, cancellationToken, renews: false, IsFenced).ConfigureAwait(false) is not { } lease)
                continue;
            var giveUp = new CancellationTokenSource();
            _held.Add(partition, new Held(lease, giveUp, Task.Run(() => HoldAsync(partition, lease, giveUp.Token), CancellationToken.None)));
            _freeSince.Remove(partition);
        }
    }

    private async Task HoldAsync(short partition, Lease lease, CancellationToken giveUp)
    {
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(giveUp, lease.LostToken);
            try
            {
                await work(partition, lease, stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // It was told to stop.
            }
        }
        finally
        {
            // Released only after the work has ended: the next holder begins with nothing in anybody's hands, unless the lease was lost before.
            await lease.DisposeAsync().ConfigureAwait(false);
            Released?.Invoke();
            Wake();
        }
    }

    /// <summary>Takes leave of partitions whose work has ended, and says why.</summary>
    private async Task ReapAsync()
    {
        foreach (var (partition, held) in _held.Where(h => h.Value.Ended.IsCompleted).ToList())
        {
            _held.Remove(partition);
            held.GiveUp.Dispose();
            await held.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (held.Ended.Exception?.InnerException is not { } exception)
            {
                _failures.Remove(partition);
                continue;
            }
            var failures = _failures.GetValueOrDefault(partition).Failures + 1;
            var delay = Backoff.Delay(failures, FirstRetry, LongestRetry);
            _failures[partition] = (failures, time.GetTimestamp() + Ticks(delay));
            Log.PartitionFailed(logger, group, partition, delay.TotalSeconds, exception.Message);
        }
    }

    private async Task WaitAsync(TimeSpan wait, CancellationToken stoppingToken)
    {
        if (wait > TimeSpan.Zero)
            await _wake.Task.WaitAsync(wait, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task EndAsync()
    {
        foreach (var held in _held.Values)
            await held.GiveUp.CancelAsync().ConfigureAwait(false);
        // First of all, so that the others leave it no share of what it gives up.
        if (_member is not null)
            await _member.DisposeAsync().ConfigureAwait(false);
        foreach (var held in _held.Values)
        {
            await held.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            held.GiveUp.Dispose();
        }
        Released?.Invoke();
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
