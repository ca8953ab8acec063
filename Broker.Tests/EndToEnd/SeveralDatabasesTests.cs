using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.EndToEnd;

/// <summary>A service with two databases, by its container: contexts, events in each of them, and what is configured wrongly.</summary>
internal sealed class SeveralDatabasesTests
{
    private TestDatabase _orders = null!;
    private TestDatabase _wallet = null!;
    private TestHost _host = null!;

    [SetUp]
    public async Task Prepare()
    {
        _orders = await TestDatabase.CreateAsync(SqlDialect.PostgreSql, withTables: false);
        await using (await OrdersContext.CreateAsync(_orders, createTables: true))
            _wallet = await TestDatabase.CreateAsync(SqlDialect.MySql);
        var name = "s" + Guid.CreateVersion7().ToString("N")[^14..];
        _host = TestHost.Build(services => services
            .AddDbContext<OrdersContext>(_orders.Configure)
            .AddOutbox<OrdersContext>(outbox => outbox.Source("orders"))
            .AddOutbox("wallet", _ => _wallet.DataSource, _ => { })
            .AddTwoPhaseCommit(name, transactions => transactions.AddParticipant<OrdersContext>("orders").AddParticipant("wallet", _ => _wallet.DataSource)));
    }

    [TearDown]
    public async Task Close()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        if (_orders is not null)
            await _orders.DisposeAsync();
        if (_wallet is not null)
            await _wallet.DisposeAsync();
    }

    // G1, over both.
    [Test]
    public async Task Rows_of_a_context_and_events_of_both_outboxes_commit_together_or_not_at_all([Values] bool commits)
    {
        var signals = _host.Services.GetServices<OutboxRegistration>().Select(o => o.Signal.Next).ToList();
        await using (var transaction = await _host.Services.GetRequiredService<TransactionCoordinator>().BeginAsync(TimeSpan.FromSeconds(60)))
        {
            var orders = await transaction.EnlistAsync("orders");
            var context = orders.CreateContext<OrdersContext>();
            context.Orders.Add(new Order { Number = "1" });
            context.Outbox().Add(new OrderPlaced("1"), partitionKey: "1");
            await context.SaveChangesAsync();
            var wallet = await transaction.EnlistAsync("wallet");
            await _host.Services.GetRequiredKeyedService<IOutbox>("wallet").AddAsync(wallet.Transaction, new OrderPlaced("1"), partitionKey: "1");
            Assert.That(await _orders.CountAsync("outbox_messages") + await _wallet.CountAsync("outbox_messages"), Is.Zero, "nobody sees anything yet");
            if (commits)
                Assert.That(await transaction.CommitAsync(), Is.InstanceOf<TransactionOutcome.Committed>());
        }

        var expected = commits ? 1 : 0;
        Assert.That((await _orders.CountAsync("orders"), await _orders.CountAsync("outbox_messages"), await _wallet.CountAsync("outbox_messages")), Is.EqualTo((expected, expected, expected)));
        if (commits)
            Assert.That(signals.All(s => s.IsCompleted), "relays of this process are woken");
    }

    [Test]
    public void What_is_configured_wrongly_is_said()
    {
        static void Add(string name, Action<TwoPhaseCommitBuilder> configure)
        {
            using var provider = new ServiceCollection().AddLogging().AddTwoPhaseCommit(name, configure).BuildServiceProvider();
            provider.GetRequiredService<TransactionCoordinator>();
        }
        var sqlite = Microsoft.Data.Sqlite.SqliteFactory.Instance.CreateDataSource("Data Source=unused");

        Assert.That(() => Add("Transfers", _ => { }), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("'transfers'"));
        Assert.That(() => Add("transfers", _ => { }), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("has no participants"));
        Assert.That(() => Add("transfers", t => t.AddParticipant("a'b", sqlite)), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("cannot be a participant's name"));
        Assert.That(() => Add("transfers", t => t.AddParticipant("a", sqlite).AddParticipant("a", sqlite)), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("two participants 'a'"));
        Assert.That(() => Add("transfers", t => t.AddParticipant("a", sqlite).AddParticipant("b", sqlite)), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("One at most can be the last resource"));
        Assert.That(() => Add("transfers", t => t.AddParticipant("a", sqlite).DecideIn("b")), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("which is none of its participants"));
        Assert.That(() => Add("transfers", t => t.AddParticipant("a", _wallet.DataSource).AddParticipant("b", sqlite).DecideIn("a")), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("Leave DecideIn out"));
    }

    [Test]
    public async Task A_database_without_the_tables_is_named_with_what_to_type()
    {
        await using var empty = await TestDatabase.CreateAsync(SqlDialect.PostgreSql, withTables: false);
        await using var coordinator = new TransactionCoordinator(
            new TwoPhaseCommitBuilder("without-tables").AddParticipant("wallet", _wallet.DataSource).AddParticipant("ledger", empty.DataSource).Build(null!, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance), services: null);
        await using var transaction = await coordinator.BeginAsync(TimeSpan.FromSeconds(60));

        Assert.That(async () => await transaction.EnlistAsync("ledger"), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("'ledger'").And.Message.Contains("broker schema --database PostgreSql"));
    }

    [Test]
    public async Task A_participant_that_is_not_there_is_named_with_those_that_are()
    {
        await using var transaction = await _host.Services.GetRequiredService<TransactionCoordinator>().BeginAsync(TimeSpan.FromSeconds(60));

        Assert.That(async () => await transaction.EnlistAsync("ledger"), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("'ledger'").And.Message.Contains("orders, wallet"));
    }
}
