using System.Diagnostics;
using Broker.Tests.Support;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Crash;

/// <summary>Holders of locks in processes of their own that sleep and die: what a stale one writes is refused.</summary>
internal sealed class LockCrashTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(2);

    private static readonly string[] Places = [.. SqlDialect.All.Select(d => d.Name), "Redis", "Etcd"];

    [TestCaseSource(nameof(Places))]
    public async Task A_holder_that_slept_for_twice_its_lease_cannot_write_past_the_one_who_has_come_after_it(string kind)
    {
        await using var place = await CreateAsync(kind);
        var (sleeper, stale) = await LockHolderProcess.StartAsync(place, "settlement", Lease);
        await using var _ = sleeper;
        Assert.That(await sleeper.WriteAsync(1), Is.EqualTo("written 1"));

        var asleep = Stopwatch.StartNew();
        sleeper.Freeze();
        await using var next = await place.Connect("next", Lease).AcquireAsync("settlement", TimeSpan.FromSeconds(60));
        await WriteAsync(place, next, 2);
        await Eventually.IsTrueAsync(() => Task.FromResult(asleep.Elapsed > Lease * 2), "it sleeps for long enough");
        // Before it wakes, so that nothing tells it in time that it has slept.
        await sleeper.TellAsync("3");
        sleeper.Thaw();

        Assert.That(await sleeper.AnswerAsync(3), Is.EqualTo("refused 3"));
        await WriteAsync(place, next, 4);
        Assert.That(await sleeper.WriteAsync(5), Is.EqualTo("refused 5"));
        Assert.That(await place.WritesAsync(), Is.EqualTo(new[] { stale, next.Token, next.Token }));
        Assert.That(next.LostToken.IsCancellationRequested, Is.False, "the sleeper disturbed the new holder");
    }

    [TestCaseSource(nameof(Places))]
    public async Task A_killed_holders_lock_is_free_when_its_lease_ends(string kind)
    {
        await using var place = await CreateAsync(kind);
        var (killed, token) = await LockHolderProcess.StartAsync(place, "settlement", Lease);
        await using var _ = killed;
        await killed.KillAsync();
        var dead = Stopwatch.StartNew();

        await using var next = await place.Connect("next", Lease).AcquireAsync("settlement", TimeSpan.FromSeconds(60));

        Assert.That(next.Token, Is.GreaterThan(token));
        Assert.That(dead.Elapsed, Is.LessThan(TimeSpan.FromSeconds(15)));
        TestContext.Out.WriteLine($"{kind}: taken over after {dead.Elapsed.TotalSeconds:0.0} s");
    }

    [Test]
    public async Task A_Redis_that_restarts_without_its_data_makes_nobody_write_past_a_newer_holder_and_tokens_go_on_rising()
    {
        await using var server = await PrivateRedis.StartAsync();
        await using var place = new RedisLockPlace(await TestDatabase.CreateAsync(SqlDialect.Sqlite), server.Address);
        await place.CreateWritesAsync();
        await using var stale = await place.Connect("me", TimeSpan.FromSeconds(6)).AcquireAsync("settlement");
        await WriteAsync(place, stale, 1);

        await server.RestartEmptyAsync();

        await using var next = await place.Connect("next", Lease).AcquireAsync("settlement", TimeSpan.FromSeconds(60));
        Assert.That(next.Token, Is.GreaterThan(stale.Token));
        await WriteAsync(place, next, 2);
        Assert.That(async () => await WriteAsync(place, stale, 3), Throws.InstanceOf<LockLostException>());
        await Eventually.IsTrueAsync(() => Task.FromResult(stale.LostToken.IsCancellationRequested), "the old holder learns of it");
        Assert.That(await place.WritesAsync(), Is.EqualTo(new[] { stale.Token, next.Token }));
    }

    [Test]
    public async Task An_etcd_leader_that_is_killed_costs_no_holder_its_lock_and_lets_nobody_else_in()
    {
        await using var cluster = await PrivateEtcd.StartAsync();
        await using var place = new EtcdLockPlace(await TestDatabase.CreateAsync(SqlDialect.Sqlite), [.. cluster.Endpoints]);
        await place.CreateWritesAsync();
        var (mine, theirs) = (place.Connect("me", TimeSpan.FromSeconds(6)), place.Connect("them", TimeSpan.FromSeconds(6)));
        await using var held = await mine.AcquireAsync("settlement");
        await WriteAsync(place, held, 1);

        var watch = Stopwatch.StartNew();
        await cluster.KillLeaderAsync();

        await using (var other = await theirs.AcquireAsync("another", TimeSpan.FromSeconds(60)))
            Assert.That(other.Token, Is.GreaterThan(held.Token));
        TestContext.Out.WriteLine($"another lock was taken {watch.Elapsed.TotalSeconds:0.0} s after the kill");
        // Longer than its lease: the holder has found the new leader.
        await Eventually.IsTrueAsync(async () =>
        {
            Assert.That(held.LostToken.IsCancellationRequested, Is.False, "the holder lost its lock");
            Assert.That(await theirs.TryAcquireAsync("settlement"), Is.Null);
            return watch.Elapsed > TimeSpan.FromSeconds(13);
        }, "it is held for longer than its lease");
        await WriteAsync(place, held, 2);
        await held.DisposeAsync();
        await using var next = await theirs.AcquireAsync("settlement", TimeSpan.FromSeconds(60));
        await WriteAsync(place, next, 3);
        Assert.That(await place.WritesAsync(), Is.EqualTo(new[] { held.Token, held.Token, next.Token }));
    }

    private static async Task<LockPlace> CreateAsync(string kind)
    {
        var place = kind switch
        {
            "Redis" => await RedisLockPlace.CreateAsync(),
            "Etcd" => await EtcdLockPlace.CreateAsync(),
            _ => await DatabaseLockPlace.On(SqlDialect.All.Single(d => d.Name == kind))(),
        };
        await place.CreateWritesAsync();
        return place;
    }

    private static async Task WriteAsync(LockPlace place, IDistributedLock held, int id)
    {
        await using var connection = await place.Guarded.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await held.GuardAsync(transaction);
        await connection.Command("INSERT INTO writes (id, token) VALUES (@id, @token)", transaction).With("id", id).With("token", held.Token).ExecuteAsync(CancellationToken.None);
        await transaction.CommitAsync();
    }
}
