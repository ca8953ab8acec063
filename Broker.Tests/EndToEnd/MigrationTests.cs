using System.Collections.Concurrent;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Inbox;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>docs/migrating.md: from an outbox of one's own to ours, while its programs write all the time. Nothing lost, nothing doubled, the order per key kept.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class MigrationTests(SqlDialect engine)
{
    private const int Enough = 30;

    private readonly ConcurrentQueue<AccountChanged> _handled = new();
    private readonly InMemoryTransport _transport = new();
    private TestDatabase _database = null!;
    private NativeClient _client = null!;
    private OldOutbox _old = null!;
    private TestHost _consumer = null!;

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(engine, withTables: false);
        _client = await NativeClient.OfAsync(_database);
        await _client.RunAsync(Script("old-table"));
        _old = new OldOutbox(_database, _transport, "events");

        // The consumer's inbox is in a database of its own.
        var inbox = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await inbox.ExecuteAsync("CREATE TABLE applied (account text NOT NULL, number integer NOT NULL)");
        _consumer = await TestHost.StartAsync(services => services.AddSingleton(_handled).AddSingleton(inbox).AddOutbox("reader", _ => inbox.DataSource, outbox =>
            outbox.UseInMemory(_transport).AddConsumer("reader", consumer => consumer.Handle<AccountChanged, ApplyAccountChanged>())));
        await _consumer.ConsumerStartedAsync("reader");
    }

    [TearDown]
    public async Task Close()
    {
        if (_old is not null)
            await _old.DisposeAsync();
        if (_consumer is not null)
        {
            var inbox = _consumer.Services.GetRequiredService<TestDatabase>();
            await _consumer.DisposeAsync();
            await inbox.DisposeAsync();
        }
        if (_database is null)
            return;
        if (engine == SqlDialect.SqlServer)
            await _database.ExecuteAsync("DROP VIEW IF EXISTS app_outbox");
        await _database.DisposeAsync();
    }

    [Test]
    public async Task An_outbox_of_one_s_own_is_replaced_while_its_programs_write([Values] bool dispatcherStopsFirst)
    {
        var inbox = _consumer.Services.GetRequiredService<TestDatabase>();
        _old.Start();
        await HandledAsync(Enough);

        await _database.CreateTablesAsync();
        if (dispatcherStopsFirst)
            await _old.StopDispatcherAsync();
        await WrittenAsync(Enough);
        await _client.RunAsync(Script("copy"));
        var sent = _old.Sent;
        await WrittenAsync(Enough);
        if (!dispatcherStopsFirst)
            await Eventually.IsTrueAsync(() => Task.FromResult(_old.Sent > sent + Enough), "the old dispatcher works on", TimeSpan.FromSeconds(60));

        await using (var relay = await TestHost.StartAsync(services => services.AddOutbox("accounts", _ => _database.DataSource, outbox => outbox.UseInMemory(_transport).AddRelay())))
        {
            await HandledAsync(Enough);
            await _old.StopDispatcherAsync();
            await WrittenAsync(Enough);

            if (engine != SqlDialect.MySql)
            {
                await _client.RunAsync(Script("view"));
                await WrittenAsync(Enough);
            }
            await _old.StopWritersAsync();
            await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "the relay has sent all", TimeSpan.FromSeconds(60));
            await Eventually.EqualsAsync(() => inbox.CountAsync("applied"), _old.Written, "nothing is lost", TimeSpan.FromSeconds(60));
        }

        Assert.That(await inbox.CountAsync("(SELECT DISTINCT account, number FROM applied) AS once"), Is.EqualTo(_old.Written), "nothing is doubled");
        foreach (var account in _handled.GroupBy(h => h.Account))
            Assert.That(account.Select(h => h.Number), Is.EqualTo(Enumerable.Range(1, account.Count())), $"the order of {account.Key}");
        Assert.That(_handled.Select(h => h.Owner).Distinct(), Is.EqualTo(new[] { "Zoë" }));
        var copies = _consumer.Log.Entries.Count(e => e.Id == 1002);
        Assert.That(copies, dispatcherStopsFirst ? Is.Zero : Is.GreaterThan(Enough), "copies");
    }

    [Test]
    public async Task A_forgotten_dispatcher_cannot_touch_the_outbox_through_the_view()
    {
        if (engine == SqlDialect.MySql)
            Assert.Pass("MySQL has no INSTEAD OF triggers, so there is no view.");
        await _database.CreateTablesAsync();
        await _client.RunAsync(Script("copy"));
        await _client.RunAsync(Script("view"));
        await _database.ExecuteAsync("INSERT INTO app_outbox (event_id, type, payload) VALUES (@id, 'accounts.account-changed.v1', '{\"account\":\"a\"}')", ("id", Guid.CreateVersion7()));

        foreach (var statement in (string[])["UPDATE app_outbox SET sent_at = CURRENT_TIMESTAMP", "UPDATE app_outbox SET type = 'sent'", "DELETE FROM app_outbox"])
            Assert.That(async () => await _database.ExecuteAsync(statement), Throws.InstanceOf<System.Data.Common.DbException>().With.Message.Contains("app_outbox").And.Message.Contains("is a view"), statement);
        Assert.That((await _database.QueryAsync("SELECT type, partition_key FROM outbox_messages")).Single(), Is.EqualTo(new[] { "accounts.account-changed.v1", "a" }));
    }

    [Test]
    public async Task A_writer_that_asks_PostgreSQL_for_the_new_id_gets_it_from_the_view()
    {
        if (engine != SqlDialect.PostgreSql)
            Assert.Pass("The other engines' views do not give it.");
        await _database.CreateTablesAsync();
        await _client.RunAsync(Script("copy"));
        await _client.RunAsync(Script("view"));

        var row = (await _database.QueryAsync("INSERT INTO app_outbox (type, payload) VALUES ('accounts.account-changed.v1', '{\"account\":\"a\"}') RETURNING id, event_id")).Single();

        Assert.That((await _database.QueryAsync("SELECT sequence, message_id FROM outbox_messages")).Single(), Is.EqualTo(row));
    }

    [TestCase("42")]
    [TestCase("order-4711")]
    [TestCase("Zürich")]
    [TestCase("0")]
    [TestCase("998")]
    public async Task The_id_of_a_message_sent_by_a_number_is_what_our_inbox_makes_of_it(string id)
    {
        if (engine == SqlDialect.Sqlite)
            Assert.Pass("SQLite has no SHA-256.");
        await _client.RunAsync(Script("message-id"));
        var function = engine == SqlDialect.SqlServer ? "dbo.outbox_message_id" : "outbox_message_id";

        Assert.That(await _database.ScalarAsync<string>($"SELECT {_database.Text($"{function}(@id)")}", ("id", id)), Is.EqualTo(MessageIds.Parse(id).ToString()).IgnoreCase);
    }

    private string Script(string step) => SalesBench.SampleOf($"migrating/{step}", engine);

    private Task HandledAsync(int more) => MoreAsync(() => _handled.Count, more, "handled");

    private Task WrittenAsync(int more) => MoreAsync(() => _old.Written, more, "written");

    private static Task MoreAsync(Func<int> count, int more, string what)
    {
        var before = count();
        return Eventually.IsTrueAsync(() => Task.FromResult(count() >= before + more), $"{more} more are {what}", TimeSpan.FromSeconds(60));
    }
}

[MessageType(OldOutbox.Type)]
internal sealed record AccountChanged(string Account, int Number, string Owner);

internal sealed class ApplyAccountChanged(ConcurrentQueue<AccountChanged> handled) : IMessageHandler<AccountChanged>
{
    public async Task HandleAsync(AccountChanged message, MessageContext context, CancellationToken cancellationToken)
    {
        await context.Transaction.Connection!.Command("INSERT INTO applied (account, number) VALUES (@account, @number)", context.Transaction)
            .With("account", message.Account).With("number", message.Number).ExecuteAsync(cancellationToken);
        handled.Enqueue(message);
    }
}
