using Broker.Tests.Support;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What happens to locks is what their metrics say: by the kind of place, never by name.</summary>
[NonParallelizable]
internal sealed class LockMetricTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);

    [Test]
    public async Task Locks_are_counted_as_they_are_taken_refused_and_given_back()
    {
        await using var place = await InMemoryLockPlace.CreateAsync();
        var (mine, theirs) = (place.Connect("me", Long), place.Connect("them", Long));
        using var metrics = new MetricRecorder("memory");

        await using (await mine.AcquireAsync("the-name"))
        {
            Assert.That(metrics.Sum("outbox.locks.held"), Is.EqualTo(1));
            Assert.That(await theirs.TryAcquireAsync("the-name"), Is.Null);
            Assert.That(await theirs.TryAcquireAsync("the-name", TimeSpan.FromMilliseconds(50)), Is.Null);
        }

        Assert.Multiple(() =>
        {
            Assert.That(metrics.Sum("outbox.locks.acquired"), Is.EqualTo(1));
            Assert.That(metrics.Sum("outbox.locks.refused", ("reason", "busy")), Is.EqualTo(1));
            Assert.That(metrics.Sum("outbox.locks.refused", ("reason", "timed-out")), Is.EqualTo(1));
            Assert.That(metrics.Of("outbox.locks.wait.duration", ("outcome", "acquired")), Has.Count.EqualTo(1));
            Assert.That(metrics.Of("outbox.locks.wait.duration", ("outcome", "timed-out")).Single().Value, Is.GreaterThan(0.04));
            Assert.That(metrics.Sum("outbox.locks.held"), Is.Zero);
            Assert.That(metrics.Of("outbox.locks.lost"), Is.Empty, "given back");
            Assert.That(metrics.Of("outbox.locks.acquired").Concat(metrics.Of("outbox.locks.refused")).SelectMany(m => m.Tags.Values), Has.None.EqualTo("the-name"));
        });
    }

    [Test]
    public async Task A_lock_that_its_holder_has_lost_is_counted_once()
    {
        await using var place = await InMemoryLockPlace.CreateAsync();
        using var metrics = new MetricRecorder("memory");
        await using (await place.Connect("me", TimeSpan.FromSeconds(1)).AcquireAsync("a"))
        {
            await place.VanishAsync("a");

            await metrics.SumBecomesAsync(1, "outbox.locks.lost");
            Assert.That(metrics.Sum("outbox.locks.held"), Is.Zero, "nobody holds what is lost");
        }

        Assert.That((metrics.Sum("outbox.locks.lost"), metrics.Sum("outbox.locks.held")), Is.EqualTo((1, 0)));
    }

    [Test]
    public async Task A_holder_whom_a_guard_refuses_has_lost_its_lock()
    {
        await using var place = await DatabaseLockPlace.On(SqlDialect.Sqlite)();
        using var metrics = new MetricRecorder("Sqlite");
        await using var held = await place.Connect("me", Long).AcquireAsync("a");
        await place.Connect("them", Long).StealAsync("a", "somebody");

        await using var connection = await place.Guarded.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        Assert.That(async () => await held.GuardAsync(transaction), Throws.InstanceOf<LockLostException>());

        Assert.That((metrics.Sum("outbox.locks.lost"), metrics.Sum("outbox.locks.held")), Is.EqualTo((1, 0)));
    }

    [TestCase("PostgreSql")]
    [TestCase("MySql")]
    [TestCase("Redis")]
    [TestCase("etcd")]
    public async Task The_place_of_a_lock_is_told_by_its_kind(string provider)
    {
        await using var place = provider switch
        {
            "Redis" => await RedisLockPlace.CreateAsync(),
            "etcd" => await EtcdLockPlace.CreateAsync(),
            _ => await DatabaseLockPlace.On(SqlDialect.All.Single(d => d.Name == provider))(),
        };
        using var metrics = new MetricRecorder(provider);

        await using (await place.Connect("me", Long).AcquireAsync("a"))
            Assert.That(metrics.Sum("outbox.locks.held", ("provider", provider)), Is.EqualTo(1));

        Assert.That(metrics.Sum("outbox.locks.acquired", ("provider", provider)), Is.EqualTo(1));
    }
}
