using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Etcd;
using Outbox.Locks;
using Outbox.Redis;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>How a service comes to its locks.</summary>
internal sealed class LockRegistrationTests
{
    [Test]
    public async Task Locks_in_the_database_come_with_the_outbox_and_guard_what_a_context_writes()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var host = TestHost.Build(services => services
            .AddDbContext<OrdersContext>(database.Configure)
            .AddOutbox<OrdersContext>(outbox => outbox.UseInMemory().Options.Locks.Owner = "me"));
        var locks = host.Services.GetRequiredService<IDistributedLocks>();
        using var scope = host.Services.CreateScope();
        var db = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        await using var held = await locks.AcquireAsync("settlement");

        Assert.That((await locks.ListAsync()).Single().Owner, Is.EqualTo("me"));
        Assert.That(async () => await held.GuardAsync(db), Throws.InvalidOperationException.With.Message.Contains("BeginTransactionAsync"));
        await using (var transaction = await db.Database.BeginTransactionAsync())
        {
            await held.GuardAsync(db);
            await transaction.CommitAsync();
        }
        await locks.StealAsync("settlement", "the operator");
        await using var late = await db.Database.BeginTransactionAsync();
        Assert.That(async () => await held.GuardAsync(db), Throws.InstanceOf<LockLostException>());
    }

    [Test]
    public void Two_outboxes_have_locks_of_their_own_by_their_names()
    {
        using var provider = new ServiceCollection()
            .AddOutbox("orders", _ => null!, outbox => outbox.UseInMemory())
            .AddOutbox("stock", _ => null!, outbox => outbox.UseInMemory())
            .BuildServiceProvider();

        Assert.That(() => provider.GetRequiredService<IDistributedLocks>(), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("orders, stock").And.Message.Contains("FromKeyedServices"));
    }

    [Test]
    public async Task What_is_asked_for_by_name_goes_before_what_comes_with_the_outbox([Values] bool outboxFirst)
    {
        var services = new ServiceCollection();
        if (!outboxFirst)
            services.AddEtcdLocks(["http://127.0.0.1:1"]).AddInMemoryLocks();
        services.AddOutbox("orders", _ => null!, outbox => outbox.UseInMemory());
        if (outboxFirst)
            services.AddEtcdLocks(["http://127.0.0.1:1"]).AddInMemoryLocks();
        await using var provider = services.BuildServiceProvider();

        Assert.That(provider.GetRequiredService<IDistributedLocks>(), Is.InstanceOf<InMemoryLocks>());
        Assert.That(provider.GetRequiredKeyedService<IDistributedLocks>("etcd"), Is.InstanceOf<EtcdLocks>());
    }

    [Test]
    public void A_wrong_setting_is_named_with_its_value_and_a_good_one()
    {
        var services = new ServiceCollection();

        Assert.That(() => services.AddInMemoryLocks(o => o.Lease = TimeSpan.Zero), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("00:00:00").And.Message.Contains("00:00:15"));
        Assert.That(() => services.AddInMemoryLocks(o => o.Owner = ""), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("Owner"));
        Assert.That(() => services.AddRedisLocks("localhost", o => o.KeyPrefix = "a b"), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("'a b'"));
        Assert.That(() => services.AddEtcdLocks(["http://localhost:2379"], o => o.Lease = TimeSpan.FromSeconds(1)), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("00:00:01"));
        Assert.That(() => services.AddEtcdLocks(["localhost:2379"]), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("'localhost:2379'"));
        Assert.That(() => services.AddEtcdLocks([]), Throws.InstanceOf<OutboxConfigurationException>());
        Assert.That(() => services.AddOutbox("orders", _ => null!, outbox => outbox.UseInMemory().Options.Locks.Lease = TimeSpan.FromDays(2)), Throws.InstanceOf<OutboxConfigurationException>());
    }

    [Test]
    public async Task A_holder_whose_store_is_away_loses_its_lock_by_its_own_clock()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var source = new SwitchableDataSource(database.DataSource);
        var locks = new LeasedLocks(new DatabaseLocks(source, SqlDialect.Sqlite, time), new LockOptions { Lease = TimeSpan.FromSeconds(30) }, time);
        await using var held = await locks.AcquireAsync("a");
        _ = source.GoAway();

        time.Advance(TimeSpan.FromSeconds(26));
        Assert.That(held.LostToken.IsCancellationRequested, Is.False);
        time.Advance(TimeSpan.FromSeconds(1.5));

        Assert.That(held.LostToken.IsCancellationRequested, "a tenth of the lease before the database gives it to another");
    }
}
