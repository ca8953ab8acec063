using System.Collections.Concurrent;
using System.Globalization;
using Broker.Tests.Support;
using Npgsql;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>A consumer's statements are parsed once for each session of PostgreSQL, and where sessions are shared by a pooler it does without.</summary>
internal sealed class PreparedStatementTests
{
    private readonly ConcurrentQueue<int> _prepared = new();
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare()
    {
        _prepared.Clear();
        _bench = await ConsumerBench.CreateAsync(TestTransport.InMemory, SqlDialect.PostgreSql);
    }

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [TestCase(1, "key")]
    [TestCase(20, null)]
    [TestCase(20, "key")]
    public async Task The_consumers_statements_are_prepared_and_the_handlers_are_left_to_them(int batch, string? key)
    {
        _bench.Script.Then = async (_, context, _) => _prepared.Enqueue(await ScalarAsync(context, "SELECT count(*) FILTER (WHERE statement LIKE '%INSERT INTO inbox_messages%') - 1000 * count(*) FILTER (WHERE statement LIKE '%INSERT INTO orders%') FROM pg_prepared_statements"));
        await using var host = await StartAsync(_bench.Database.ConnectionString, batch);

        await PublishAsync(5, key);

        await _bench.EffectsBecomeAsync("0", "1", "2", "3", "4");
        Assert.That(_prepared, Has.Some.GreaterThan(0));
    }

    /// <summary>As a pooler does that gives each transaction another session of the server.</summary>
    [TestCase(1, "key")]
    [TestCase(20, null)]
    [TestCase(20, "key")]
    public async Task A_session_that_does_not_know_a_statement_costs_no_attempt_and_from_then_on_none_is_prepared(int batch, string? key)
    {
        _bench.Script.Then = async (number, context, _) =>
        {
            _prepared.Enqueue(await ScalarAsync(context, "SELECT count(*) FROM pg_prepared_statements"));
            await ScalarAsync(context, "DEALLOCATE ALL");
            if (number == "3" && context.Attempt == 1)
                throw new InvalidOperationException("This message fails.");
        };
        await using var host = await StartAsync(_bench.Database.ConnectionString, batch);

        await PublishAsync(6, key);
        await _bench.EffectsBecomeAsync("0", "1", "2", "3", "4", "5");
        await _bench.PublishAsync("last", key);

        await _bench.EffectsBecomeAsync("0", "1", "2", "3", "4", "5", "last");
        Assert.That(_bench.Script.Calls.Where(c => c.Number != "3").Select(c => c.Context.Attempt), Is.All.EqualTo(1));
        Assert.That(_prepared.Last(), Is.Zero);
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_driver_that_multiplexes_prepares_nothing()
    {
        _bench.Script.Then = async (_, context, _) => _prepared.Enqueue(await ScalarAsync(context, "SELECT count(*) FROM pg_prepared_statements"));
        await using var host = await StartAsync(new NpgsqlConnectionStringBuilder(_bench.Database.ConnectionString) { Multiplexing = true }.ConnectionString, batch: 1);

        await PublishAsync(5, key: "key");

        await _bench.EffectsBecomeAsync("0", "1", "2", "3", "4");
        Assert.That(_prepared, Has.Count.EqualTo(5).And.All.Zero);
    }

    private static async Task<int> ScalarAsync(MessageContext context, string sql) =>
        Convert.ToInt32(await context.Transaction.Connection!.Command(sql, context.Transaction).ScalarAsync(CancellationToken.None), CultureInfo.InvariantCulture);

    private async Task PublishAsync(int messages, string? key)
    {
        for (var i = 0; i < messages; i++)
            await _bench.PublishAsync(string.Create(CultureInfo.InvariantCulture, $"{i}"), key);
    }

    private Task<TestHost> StartAsync(string connectionString, int batch) => _bench.StartAsync(services =>
        services.AddOutbox("stock", _ => NpgsqlDataSource.Create(connectionString), outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>().Batch(batch);
            // One session after the other, so that the next message meets what the one before has left.
            consumer.Options.Concurrency = 1;
        })));
}
