using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The outbox of a DbContext, in the ways that services make and use their contexts.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.EnginesOfEntityFramework))]
internal sealed class EntityFrameworkTests(SqlDialect dialect)
{
    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(dialect, withTables: false);
        await using (await OrdersContext.CreateAsync(_database, createTables: true))
        {
        }
    }

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_pooled_context_saves_each_event_once_and_brings_none_back_from_the_pool()
    {
        await using var host = TestHost.Build(s => s.AddDbContextPool<OrdersContext>(_database.Configure, poolSize: 1).AddOutbox<OrdersContext>(_ => { }));
        for (var i = 0; i < 3; i++)
        {
            await using var scope = host.Services.CreateAsyncScope();
            var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
            context.Outbox().Add(new OrderPlaced($"saved {i}"));
            await context.SaveChangesAsync();
            context.Outbox().Add(new OrderPlaced("never saved"));
        }

        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(3));
    }

    [Test]
    public async Task Contexts_of_a_factory_have_their_services_outbox([Values] bool pooled)
    {
        await using var host = TestHost.Build(s =>
        {
            _ = pooled ? s.AddPooledDbContextFactory<OrdersContext>(_database.Configure) : s.AddDbContextFactory<OrdersContext>(_database.Configure);
            s.AddOutbox<OrdersContext>(_ => { });
        });
        await _database.SetPartitionsAsync(1_024);
        var signal = SignalOf(host);

        await using (var context = await host.Services.GetRequiredService<IDbContextFactory<OrdersContext>>().CreateDbContextAsync())
        {
            context.Outbox().Add(new OrderPlaced("1"), partitionKey: "order-1");
            await context.SaveChangesAsync();
        }

        Assert.That(await _database.ScalarAsync<int>("SELECT partition FROM outbox_messages"), Is.EqualTo(1_007), "the number is this database's");
        Assert.That(signal.IsCompleted, "the relay was told");
    }

    [Test]
    public async Task The_order_of_AddOutbox_and_AddDbContext_does_not_matter()
    {
        await using var host = TestHost.Build(s => s.AddOutbox<OrdersContext>(_ => { }).AddDbContext<OrdersContext>(_database.Configure));
        var signal = SignalOf(host);
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();

        context.Outbox().Add(new OrderPlaced("1"));
        await context.SaveChangesAsync();

        Assert.That(signal.IsCompleted);
    }

    [Test]
    public async Task A_context_made_by_hand_writes_events_too()
    {
        await using var context = await OrdersContext.CreateAsync(_database);

        context.Orders.Add(new Order { Number = "1" });
        var id = context.Outbox().Add(new OrderPlaced("1"));
        await context.SaveChangesAsync();

        var rows = await _database.QueryAsync("SELECT message_id, type FROM outbox_messages");
        Assert.That((Guid.Parse(rows.Single()[0]!), rows.Single()[1]), Is.EqualTo((id, "orders.order-placed.v1")));
    }

    [Test]
    public async Task Each_context_of_a_service_has_an_outbox_of_its_own_also_when_one_class_derives_from_the_other([Values] bool derivedFirst)
    {
        await using var other = await TestDatabase.CreateAsync(dialect, withTables: false);
        await using var host = TestHost.Build(s =>
        {
            s.AddDbContext<OrdersContext>(_database.Configure).AddDbContext<StockContext>(other.Configure);
            if (derivedFirst)
                s.AddOutbox<StockContext>(_ => { }).AddOutbox<OrdersContext>(_ => { });
            else
                s.AddOutbox<OrdersContext>(_ => { }).AddOutbox<StockContext>(_ => { });
        });
        await using var scope = host.Services.CreateAsyncScope();
        var orders = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var stock = scope.ServiceProvider.GetRequiredService<StockContext>();
        await stock.CreateTablesAsync();
        await _database.SetPartitionsAsync(1_024);
        var signals = host.Services.GetServices<OutboxRegistration>().ToDictionary(r => r.Source, r => r.Signal.Next);
        Assert.That(signals.Keys, Is.EquivalentTo(new[] { "orders", "stock" }));

        orders.Outbox().Add(new OrderPlaced("1"), partitionKey: "order-1");
        await orders.SaveChangesAsync();
        Assert.That((signals["orders"].IsCompleted, signals["stock"].IsCompleted), Is.EqualTo((true, false)), "only one of them has news");
        stock.Outbox().Add(new OrderCancelled("2"), partitionKey: "order-1");
        await stock.SaveChangesAsync();

        Assert.That((await _database.QueryAsync("SELECT type, partition FROM outbox_messages")).Single(), Is.EqualTo(new[] { "orders.order-placed.v1", "1007" }));
        Assert.That((await other.QueryAsync("SELECT type, partition FROM outbox_messages")).Single(), Is.EqualTo(new[] { "orders.order-cancelled.v1", "0" }));
    }

    [Test]
    public async Task With_several_outboxes_the_plain_IOutbox_says_which_ones_to_ask_for()
    {
        await using var host = TestHost.Build(s => s
            .AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { })
            .AddDbContext<StockContext>(_database.Configure).AddOutbox<StockContext>(_ => { }));

        Assert.That(() => host.Services.GetRequiredService<IOutbox>(), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("orders, stock").And.Message.Contains("FromKeyedServices"));
        Assert.That(host.Services.GetRequiredKeyedService<IOutbox>("stock"), Is.Not.Null);
    }

    [Test]
    public async Task An_event_raised_in_an_interceptor_is_saved_by_the_same_SaveChanges()
    {
        await using var host = TestHost.Build(s => s
            .AddDbContext<OrdersContext>(options =>
            {
                _database.Configure(options);
                options.AddInterceptors(new EventForEachOrder());
            })
            .AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();

        context.Orders.Add(new Order { Number = "1" });
        await context.SaveChangesAsync();
        context.Orders.Add(new Order { Number = "2" });
        await Task.Run(() => context.SaveChanges());

        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(2));
    }

    [Test]
    public async Task An_event_raised_in_an_overridden_SaveChanges_is_saved_with_it()
    {
        await using var host = TestHost.Build(s => s.AddDbContext<DomainEventsContext>(_database.Configure).AddOutbox<DomainEventsContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<DomainEventsContext>();

        context.Orders.Add(new Order { Number = "1" });
        await context.SaveChangesAsync();

        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_long_lived_context_does_not_collect_its_events()
    {
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        context.Orders.Add(new Order { Number = "1" });
        context.Outbox().Add(new OrderPlaced("1"));

        await context.SaveChangesAsync();

        Assert.That(context.ChangeTracker.Entries<OutboxMessage>(), Is.Empty);
        Assert.That(context.ChangeTracker.Entries<Order>(), Has.Exactly(1).Items, "the service's own rows stay");
    }

    [Test]
    public async Task Changes_that_are_accepted_later_keep_their_event_until_then()
    {
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        context.Outbox().Add(new OrderPlaced("1"));
        await using (await context.Database.BeginTransactionAsync())
            await context.SaveChangesAsync(acceptAllChangesOnSuccess: false);
        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero, "rolled back");

        await context.SaveChangesAsync();

        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task The_relay_is_told_when_a_transaction_commits_and_not_before()
    {
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var signal = SignalOf(host);
        await using (var undone = await context.Database.BeginTransactionAsync())
        {
            context.Outbox().Add(new OrderPlaced("undone"));
            await context.SaveChangesAsync();
            await undone.RollbackAsync();
        }
        Assert.That(signal.IsCompleted, Is.False, "rolled back");

        await using var transaction = await context.Database.BeginTransactionAsync();
        context.Outbox().Add(new OrderPlaced("done"));
        await context.SaveChangesAsync();
        Assert.That(signal.IsCompleted, Is.False, "not committed yet");
        await transaction.CommitAsync();

        Assert.That(signal.IsCompleted);
    }

    [Test]
    public async Task A_transaction_that_is_committed_behind_the_contexts_back_wakes_the_relay_all_the_same()
    {
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var signal = SignalOf(host);
        await context.Database.OpenConnectionAsync();
        await using var transaction = await context.Database.GetDbConnection().BeginTransactionAsync();
        await context.Database.UseTransactionAsync(transaction);

        context.Outbox().Add(new OrderPlaced("1"));
        await context.SaveChangesAsync();

        await transaction.CommitAsync();
        // Nobody tells when it commits.
        await signal.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Test]
    public async Task In_an_ambient_transaction_the_relay_is_told_when_it_has_ended()
    {
        if (dialect != SqlDialect.PostgreSql)
            Assert.Ignore("Shown on one engine: the signal hangs on the ambient transaction, not on the driver.");
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var signal = SignalOf(host);

        using (var ambient = new System.Transactions.TransactionScope(System.Transactions.TransactionScopeAsyncFlowOption.Enabled))
        {
            context.Outbox().Add(new OrderPlaced("1"));
            await context.SaveChangesAsync();
            Assert.That(signal.IsCompleted, Is.False, "not committed yet");
            ambient.Complete();
        }

        Assert.That(signal.IsCompleted);
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_context_registered_under_its_base_class_wakes_the_relay_of_that_class([Values] bool outboxFirst)
    {
        await using var host = TestHost.Build(s =>
        {
            if (outboxFirst)
                s.AddOutbox<OrdersContext>(_ => { });
            s.AddDbContext<OrdersContext, SpecialOrdersContext>(_database.Configure);
            if (!outboxFirst)
                s.AddOutbox<OrdersContext>(_ => { });
        });
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var signal = SignalOf(host);

        context.Outbox().Add(new OrderPlaced("1"));
        await context.SaveChangesAsync();

        Assert.That(context, Is.TypeOf<SpecialOrdersContext>());
        Assert.That(signal.IsCompleted);
    }

    private sealed class SpecialOrdersContext(DbContextOptions<SpecialOrdersContext> options) : OrdersContext(options);

    [Test]
    public async Task The_relay_is_not_told_of_changes_without_events()
    {
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var signal = SignalOf(host);

        context.Orders.Add(new Order { Number = "1" });
        await context.SaveChangesAsync();

        Assert.That(signal.IsCompleted, Is.False);
    }

    [Test]
    public void A_context_without_the_tables_says_what_to_add()
    {
        var options = new DbContextOptionsBuilder<WithoutOutboxContext>();
        _database.Configure(options);
        using var context = new WithoutOutboxContext(options.Options);

        Assert.That(() => context.Outbox(), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("WithoutOutboxContext").And.Message.Contains("UseOutbox()"));
    }

    [Test]
    public async Task A_class_without_a_name_says_what_to_add()
    {
        await using var context = await OrdersContext.CreateAsync(_database);

        Assert.That(() => context.Outbox().Add(new Nameless()), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("[MessageType(\"my-service.nameless.v1\")]"));
    }

    private static Task SignalOf(TestHost host) => host.Services.GetServices<OutboxRegistration>().Single().Signal.Next;

    private sealed record Nameless;

    private sealed class StockContext(DbContextOptions<StockContext> options) : OrdersContext(options);

    private sealed class WithoutOutboxContext(DbContextOptions<WithoutOutboxContext> options) : DbContext(options);

    private sealed class DomainEventsContext(DbContextOptions<DomainEventsContext> options) : OrdersContext(options)
    {
        public override Task<int> SaveChangesAsync(bool acceptAllChangesOnSuccess, CancellationToken cancellationToken = default)
        {
            foreach (var order in ChangeTracker.Entries<Order>().Where(e => e.State == EntityState.Added).ToList())
                this.Outbox().Add(new OrderPlaced(order.Entity.Number));
            return base.SaveChangesAsync(acceptAllChangesOnSuccess, cancellationToken);
        }
    }

    private sealed class EventForEachOrder : SaveChangesInterceptor
    {
        public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
        {
            Raise(eventData.Context!);
            return result;
        }

        public override ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
        {
            Raise(eventData.Context!);
            return ValueTask.FromResult(result);
        }

        private static void Raise(DbContext context)
        {
            foreach (var order in context.ChangeTracker.Entries<Order>().Where(e => e.State == EntityState.Added).ToList())
                context.Outbox().Add(new OrderPlaced(order.Entity.Number), new MessageOptions { PartitionKey = (PartitionKey)order.Entity.Number });
        }
    }
}
