using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What a batch's savepoints leave behind on PostgreSQL, where each is a transaction within the transaction.</summary>
internal sealed class SavepointTests
{
    [Test]
    public async Task Failures_are_written_by_the_transaction_itself_and_not_within_a_savepoint()
    {
        await using var bench = await ConsumerBench.CreateAsync(TestTransport.InMemory, SqlDialect.PostgreSql);
        await bench.Database.ExecuteAsync("CREATE TABLE written (by_itself int NOT NULL)");
        await bench.Database.ExecuteAsync(
            """
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO written SELECT (d.xmin = pg_current_xact_id()::xid)::int FROM deferred_messages AS d WHERE d.id = NEW.id;
                RETURN NULL;
            END $$;
            CREATE TRIGGER note AFTER INSERT OR UPDATE ON deferred_messages FOR EACH ROW EXECUTE FUNCTION note()
            """);
        bench.Script.Then = (number, context, _) => number is "2" or "5" && context.Attempt <= 2 ? throw new InvalidOperationException("This message fails.") : Task.CompletedTask;
        await using var host = await bench.StartAsync(c => c.Batch(20));

        for (var i = 0; i < 8; i++)
            await bench.PublishAsync($"{i}", $"key-{i}");

        await bench.EffectsBecomeAsync("0", "1", "2", "3", "4", "5", "6", "7");
        Assert.That(await bench.Database.CountAsync("written"), Is.GreaterThanOrEqualTo(4), "each of the two has failed twice");
        Assert.That((await bench.Database.QueryAsync("SELECT 1 FROM written WHERE by_itself = 0")).Count, Is.Zero);
        await bench.StopsWithAnEmptyQueueAsync(host);
    }
}
