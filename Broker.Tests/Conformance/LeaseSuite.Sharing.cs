using System.Collections.Concurrent;
using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.Locks;

namespace Broker.Tests.Conformance;

/// <content>Processes that share partitions by leases.</content>
internal abstract partial class LeaseSuite
{
    private static readonly TimeSpan Crashed = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<short, string> _workers = new();
    private readonly List<Sharer> _sharers = [];

    [TearDown]
    public async Task StopSharing()
    {
        foreach (var sharer in _sharers)
            await sharer.StopAsync();
        _sharers.Clear();
        _workers.Clear();
    }

    [Test]
    public async Task Processes_that_join_and_leave_share_all_partitions_evenly_and_never_work_on_one_together()
    {
        var first = Share(8, "first");
        await SharesBecomeAsync("first 8");
        Share(8, "second");
        await SharesBecomeAsync("first 4, second 4");
        Share(8, "third");
        await Eventually.EqualsAsync(() => Task.FromResult(string.Join(" ", _workers.Values.CountBy(v => v).Select(c => c.Value).Order())), "2 3 3", "the shares");

        await first.StopAsync();

        await SharesBecomeAsync("second 4, third 4");
        Assert.That((await _database.QueryAsync("SELECT name FROM leases WHERE owner = 'first'")).Select(r => r[0]), Has.Some.EqualTo("shared/member/first"));
    }

    [Test]
    public async Task A_dead_process_loses_its_share_when_its_leases_end_and_no_earlier()
    {
        var dead = new[] { "shared/member/dead", "shared/partition/0", "shared/partition/1" };
        foreach (var name in dead)
            await (await _leases.TryAcquireAsync(name, "dead", Crashed, None, renews: false))!.AbandonAsync();

        Share(4, "survivor");

        await SharesBecomeAsync("survivor 2");
        Assert.That(_workers.Keys.Order(), Is.EqualTo(new short[] { 2, 3 }), "what the dead one holds is its own until then");
        await SharesBecomeAsync("survivor 4");
    }

    [Test]
    public async Task A_lease_is_released_only_after_the_work_in_hand_has_ended()
    {
        var (told, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var slow = Share(1, "slow", async (_, stop) =>
        {
            await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            told.TrySetResult();
            await finish.Task;
        });
        await Eventually.IsTrueAsync(async () => await _database.ScalarAsync<long>("SELECT count(*) FROM leases WHERE name = 'shared/partition/0'") == 1, "it is held");
        var stopping = slow.StopAsync();
        await told.Task.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(await _leases.TryAcquireAsync("shared/partition/0", "next", Long, None), Is.Null);

        finish.SetResult();
        await stopping;

        await using var next = await _leases.TryAcquireAsync("shared/partition/0", "next", Long, None);
        Assert.That(next?.Token, Is.EqualTo(2));
    }

    [Test]
    public async Task Work_is_told_to_stop_when_its_lease_was_taken()
    {
        var stops = new TaskCompletionSource();
        Share(1, "robbed", async (_, stop) =>
        {
            await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stops.TrySetResult();
        });
        await Eventually.IsTrueAsync(async () => await _database.ScalarAsync<long>("SELECT count(*) FROM leases WHERE name = 'shared/partition/0'") == 1, "it is held");

        await _database.ExecuteAsync("UPDATE leases SET token = token + 1, owner = 'thief' WHERE name = 'shared/partition/0'");

        await stops.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Test]
    public async Task A_partition_whose_work_fails_is_tried_again_and_the_others_go_on()
    {
        var failures = 0;
        Share(2, "one", (partition, stop) =>
            partition == 1 && Interlocked.Increment(ref failures) < 3 ? throw new InvalidOperationException("not yet") : WorkAsync("one", partition, stop));

        await SharesBecomeAsync("one 2");
        Assert.That(failures, Is.EqualTo(3));
    }

    private Sharer Share(int partitions, string owner, Func<short, CancellationToken, Task>? work = null)
    {
        // By a clock that runs: what is promised here are waits between processes.
        var leases = new DatabaseLeases(_dataSource, dialect, TimeProvider.System);
        var shared = new LeasedPartitions(leases, "shared", partitions, owner, TimeSpan.FromSeconds(10), (partition, _, stop) => work is null ? WorkAsync(owner, partition, stop) : work(partition, stop), TimeProvider.System, NullLogger.Instance)
        {
            Released = () => _sharers.ForEach(s => s.Partitions.Wake()),
        };
        var sharer = new Sharer(shared);
        _sharers.Add(sharer);
        return sharer;
    }

    private async Task WorkAsync(string owner, short partition, CancellationToken stop)
    {
        if (!_workers.TryAdd(partition, owner))
            throw new InvalidOperationException($"{owner} and {_workers[partition]} work on partition {partition}.");
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _workers.TryRemove(partition, out _);
    }

    private Task SharesBecomeAsync(string expected) =>
        Eventually.EqualsAsync(() => Task.FromResult(string.Join(", ", _workers.Values.CountBy(v => v).Select(c => $"{c.Key} {c.Value}").Order(StringComparer.Ordinal))), expected, "the shares");

    private sealed class Sharer
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        public Sharer(LeasedPartitions partitions) => (Partitions, _running) = (partitions, Task.Run(() => partitions.RunAsync(_stop.Token)));

        public LeasedPartitions Partitions { get; }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await _running;
        }
    }
}
