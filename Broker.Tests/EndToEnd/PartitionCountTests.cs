using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Outbox;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Writers count with the number of partitions that the database holds, and seldom ask for it.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class PartitionCountTests(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(dialect);

    [TearDown]
    public async Task Close()
    {
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task A_number_serves_for_five_seconds_and_no_longer([Values] bool synchronously)
    {
        var time = new FakeTimeProvider();
        var count = new PartitionCount(time);
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        async Task<int> GetAsync() => synchronously ? count.Get(_database.DataSource, connection, transaction) : await count.GetAsync(_database.DataSource, connection, transaction, None);

        Assert.That(await GetAsync(), Is.EqualTo(1));
        await transaction.RollbackAsync();
        await _database.SetPartitionsAsync(7);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.That(count.Current, Is.EqualTo(1), "nobody asks again so soon");
        time.Advance(PartitionCount.Lifetime - TimeSpan.FromSeconds(2));
        Assert.That(count.Current, Is.Null, "an old number is never used");

        Assert.That(await count.GetAsync(_database.DataSource, connection, null, None), Is.EqualTo(7));
    }

    [Test]
    public async Task Who_writes_all_the_time_gets_the_new_number_without_waiting_for_it()
    {
        var time = new FakeTimeProvider();
        var count = new PartitionCount(time);
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await count.GetAsync(_database.DataSource, connection, null, None);
        await _database.SetPartitionsAsync(7);

        time.Advance(TimeSpan.FromSeconds(3));
        Assert.That(await count.GetAsync(_database.DataSource, connection, null, None), Is.EqualTo(1), "the old one still serves");

        if (dialect != SqlDialect.Sqlite)
            await Eventually.EqualsAsync(() => Task.FromResult(count.Current), 7, "it was asked for meanwhile");
    }

    [Test]
    public async Task A_transaction_that_sees_the_past_does_not_bring_an_old_number_back()
    {
        if (dialect == SqlDialect.Sqlite)
            Assert.Ignore("A transaction of SQLite that sees the past cannot write.");
        var count = new PartitionCount();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await connection.Command("SELECT partitions FROM outbox_settings", transaction).ScalarAsync(None);
        if (dialect != SqlDialect.SqlServer)
            await _database.SetPartitionsAsync(7);

        Assert.That(await count.GetAsync(_database.DataSource, connection, transaction, None), Is.EqualTo(dialect == SqlDialect.SqlServer ? 1 : 7));
    }

    [Test]
    public async Task A_pool_that_is_used_up_by_writers_does_not_stop_them()
    {
        var count = new PartitionCount();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var dataSource = new SwitchableDataSource(_database.DataSource);
        _ = dataSource.GoAway();

        Assert.That(await count.GetAsync(dataSource, connection, null, None), Is.EqualTo(1));
        Assert.That(new PartitionCount().Get(dataSource, connection, null), Is.EqualTo(1));
    }

    [Test]
    public async Task Rows_of_a_context_are_placed_by_the_number_that_holds_when_they_are_saved([Values] bool synchronously)
    {
        if (!TestDatabase.EnginesOfEntityFramework.Contains(dialect))
            Assert.Ignore("No Entity Framework provider.");
        await using var host = TestHost.Build(s => s.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        for (var i = 0; i < 6; i++)
            context.Outbox().Add(new OrderPlaced($"{i}"), partitionKey: $"order-{i % 2}");
        context.Outbox().Add(new OrderPlaced("any"));
        await _database.SetPartitionsAsync(1_024);

        _ = synchronously ? context.SaveChanges() : await context.SaveChangesAsync();

        var rows = await _database.QueryAsync($"SELECT partition_key, {_database.Partition}, {_database.Body} FROM outbox_messages ORDER BY sequence");
        Assert.That(rows.Select(r => r[1]), Is.EqualTo(rows.Select(r => $"{Partitioner.PartitionOf(r[0], 1_024)}")));
        Assert.That(rows.Where(r => r[0] == "order-1").Select(r => r[2]), Is.EqualTo(rows.Where(r => r[0] == "order-1").Select(r => r[2]).Order(StringComparer.Ordinal)), "in the order of their adding");
        Assert.That(rows, Has.Count.EqualTo(7));
    }

    [Test]
    public async Task What_an_interceptor_adds_while_a_context_is_saved_is_placed_too()
    {
        if (!TestDatabase.EnginesOfEntityFramework.Contains(dialect))
            Assert.Ignore("No Entity Framework provider.");
        await _database.SetPartitionsAsync(1_024);
        await using var host = TestHost.Build(s => s.AddOutbox<OrdersContext>(_ => { }).AddDbContext<OrdersContext>(o =>
        {
            _database.Configure(o);
            o.AddInterceptors(new Adder());
        }));
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();

        await context.SaveChangesAsync();

        Assert.That(await _database.ScalarAsync<int>("SELECT partition FROM outbox_messages"), Is.EqualTo(1_007));
    }

    private sealed class Adder : SaveChangesInterceptor
    {
        public override ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
        {
            eventData.Context!.Outbox().Add(new OrderPlaced("1"), partitionKey: "order-1");
            return base.SavingChangesAsync(eventData, result, cancellationToken);
        }
    }
}
