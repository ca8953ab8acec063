using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>G1: an event exists if and only if the transaction that wrote it committed, whatever way it was written.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.EnginesOfEntityFramework))]
internal sealed class WritingTests(SqlDialect dialect)
{
    private static readonly Way[] WaysWithTransaction = [Way.EntityFrameworkTransaction, Way.DbTransaction, Way.Dapper];

    private TestDatabase _database = null!;
    private TestHost _host = null!;

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(dialect, withTables: false);
        await using (await OrdersContext.CreateAsync(_database, createTables: true))
            _host = TestHost.Build(services => services.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(_ => { }));
    }

    [TearDown]
    public async Task Close()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task What_commits_has_exactly_its_events([Values] Way way)
    {
        await using (var work = await BeginAsync(way))
        {
            await work.AddAsync("1");
            await work.AddAsync("2");
            await work.CommitAsync();
        }

        await ExpectAsync(orders: ["1", "2"], events: ["1", "2"]);
    }

    [Test]
    public async Task The_outboxs_own_commit_commits_and_then_tells_the_relay()
    {
        var outbox = _host.Services.GetRequiredService<IOutbox>();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await outbox.AddAsync(transaction, new OrderPlaced("1"));
        var signal = _host.Services.GetRequiredService<OutboxRegistration>().Signal.Next;

        await outbox.CommitAsync(transaction);

        Assert.That(signal.IsCompleted);
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task Nothing_is_visible_before_the_commit([ValueSource(nameof(WaysWithTransaction))] Way way)
    {
        await using var work = await BeginAsync(way);
        await work.AddAsync("1");

        await ExpectAsync(orders: [], events: []);
    }

    [Test]
    public async Task What_rolls_back_has_no_event([ValueSource(nameof(WaysWithTransaction))] Way way)
    {
        await using (var work = await BeginAsync(way))
        {
            await work.AddAsync("1");
            await work.RollbackAsync();
        }

        await ExpectAsync(orders: [], events: []);
    }

    [Test]
    public async Task What_is_disposed_without_a_commit_has_no_event([Values] Way way)
    {
        await using (var work = await BeginAsync(way))
            await work.AddAsync("1");

        await ExpectAsync(orders: [], events: []);
    }

    [Test]
    public async Task What_rolls_back_to_a_savepoint_has_no_event_and_what_surrounds_it_has([ValueSource(nameof(WaysWithTransaction))] Way way)
    {
        await using (var work = await BeginAsync(way))
        {
            await work.AddAsync("before");
            await work.SavepointAsync("here");
            await work.AddAsync("undone");
            await work.RollbackToAsync("here");
            await work.AddAsync("after");
            await work.CommitAsync();
        }

        await ExpectAsync(orders: ["after", "before"], events: ["before", "after"]);
    }

    [Test]
    public async Task A_statement_that_fails_takes_the_events_of_its_transaction_with_it([Values] Way way)
    {
        await using (var work = await BeginAsync(way))
        {
            await work.AddAsync("taken");
            await work.CommitAsync();
        }

        Assert.That(async () =>
        {
            await using var work = await BeginAsync(way);
            await work.AddAsync("fine");
            await work.AddAsync("taken");
            await work.CommitAsync();
        }, Throws.InstanceOf<Exception>(), "an order's number is unique");

        await ExpectAsync(orders: ["taken"], events: ["taken"]);
    }

    [Test]
    public async Task A_SaveChanges_that_failed_can_be_repaired_and_then_saves_its_event_once()
    {
        await using var scope = _host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        context.Orders.Add(new Order { Number = "taken" });
        await context.SaveChangesAsync();
        var order = context.Orders.Add(new Order { Number = "taken" }).Entity;
        context.Outbox().Add(new OrderPlaced("free"));
        Assert.That(() => context.SaveChangesAsync(), Throws.TypeOf<DbUpdateException>());
        await ExpectAsync(orders: ["taken"], events: []);

        order.Number = "free";
        await context.SaveChangesAsync();

        await ExpectAsync(orders: ["free", "taken"], events: ["free"]);
    }

    [Test]
    public async Task Every_way_writes_the_same_row()
    {
        var time = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.FromHours(2));
        var options = new MessageOptions
        {
            PartitionKey = "k",
            KeySequence = 7,
            Headers = new Dictionary<string, string> { ["tenant"] = "Zürich" },
            NotBefore = time,
            ExpiresAt = time.AddHours(1),
        };
        await using (var scope = _host.Services.CreateAsyncScope())
        {
            var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
            context.Outbox().Add(new OrderPlaced("same"), options with { MessageId = new Guid("01234567-89ab-7def-8123-456789abcdef") });
            await context.SaveChangesAsync();
        }
        await using (var connection = await _database.DataSource.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await _host.Services.GetRequiredService<IOutbox>().AddAsync(transaction, new OrderPlaced("same"), options with { MessageId = new Guid("01234567-89ab-7def-8123-456789abcdef") });
            await transaction.CommitAsync();
        }

        // As text, because SQLite would also compare two spellings of one time or id as different.
        var text = string.Join(", ", ((string[])["message_id", "partition", "partition_key", "key_sequence", "type", "headers", "content_type", "not_before", "expires_at"]).Select(_database.Text));
        var rows = await _database.QueryAsync($"SELECT {text}, {BodyText} FROM outbox_messages ORDER BY sequence");
        Assert.That(rows[0][1..7], Is.EqualTo(new[] { "0", "k", "7", "orders.order-placed.v1", """{"tenant":"Zürich"}""", "application/json" }));
        Assert.That(rows[0][7], Does.StartWith("2030-01-02 01:04:05"), "times are UTC");
        Assert.That(rows[0][9], Is.EqualTo("""{"number":"same"}"""));
        Assert.That(rows[1], Is.EqualTo(rows[0]));
    }

    [Test]
    public async Task A_transaction_that_is_over_is_refused()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await transaction.CommitAsync();

        Assert.That(() => _host.Services.GetRequiredService<IOutbox>().AddAsync(transaction, new OrderPlaced("late")), Throws.InstanceOf<Exception>().With.Message.Contains("transaction").IgnoreCase);
        await ExpectAsync(orders: [], events: []);
    }

    private string BodyText => _database.Body;

    private Task<UnitOfWork> BeginAsync(Way way) => UnitOfWork.BeginAsync(way, _host.Services, _database.DataSource);

    private async Task ExpectAsync(string[] orders, string[] events)
    {
        Assert.That((await _database.QueryAsync("SELECT number FROM orders ORDER BY number")).Select(r => r[0]), Is.EqualTo(orders));
        Assert.That((await _database.QueryAsync($"SELECT {BodyText} FROM outbox_messages ORDER BY sequence")).Select(r => r[0]), Is.EqualTo(events.Select(e => $$"""{"number":"{{e}}"}""")));
    }
}
