using System.Text;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>What docs/operations.md says of a database that is restored to an earlier time.</summary>
internal sealed class RestoreTests
{
    [Test]
    public async Task A_consumers_database_that_is_restored_gets_back_what_it_lost_by_a_replay_and_nothing_twice()
    {
        await using var bench = await ConsumerBench.CreateAsync(TestTransport.InMemory, SqlDialect.Sqlite);
        await using var producer = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var database = (TestSqlite)bench.Database;
        await using (var host = await bench.StartAsync())
        {
            await PublishAsync("before");
            await bench.EffectsBecomeAsync("before");
        }
        var restore = database.BackUp();
        await using (var host = await bench.StartAsync())
        {
            await PublishAsync("after");
            await bench.EffectsBecomeAsync("after", "before");
        }

        restore();
        Assert.That(await bench.EffectsAsync(), Is.EqualTo(new[] { "before" }), "the broker was told that it is done");
        var range = new ArchiveReplay.Range(new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc), new DateTime(2100, 1, 1, 0, 0, 0, DateTimeKind.Utc), null, null, 0);
        var replay = new ArchiveReplay(producer.DataSource, SqlDialect.Sqlite, "orders", bench.InMemory, TimeProvider.System);
        await replay.RunAsync(range, (await replay.MeasureAsync(range, CancellationToken.None)).Last, bench.Queue, _ => { }, CancellationToken.None);

        await using var again = await bench.StartAsync();
        await bench.EffectsBecomeAsync("after", "before");
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.InMemory.Count(bench.Queue) == 0), "both copies are taken");
        Assert.That(await database.CountAsync("inbox_messages"), Is.EqualTo(2));

        async Task PublishAsync(string number)
        {
            var id = await bench.PublishAsync(number);
            await producer.ExecuteAsync("INSERT INTO outbox_archive (sequence, message_id, partition, type, content_type, body, created_at) VALUES (@sequence, @id, 0, 'orders.order-placed.v1', 'application/json', @body, '2026-01-01 00:00:00.000')",
                ("sequence", number == "before" ? 1L : 2L), ("id", id), ("body", Encoding.UTF8.GetBytes($$"""{"number":"{{number}}"}""")));
        }
    }

    [Test]
    public async Task A_producers_database_that_is_restored_publishes_what_waited_then_again_with_its_id_and_forgets_what_came_later()
    {
        await using var database = TestSqlite.Create();
        await database.CreateTablesAsync();
        await using var transport = new InMemoryTransport();
        await using var receiver = await Receiver.OnAsync(transport, new SubscriptionOptions { Queue = "stock", Exchange = "events", Types = ["#"] });
        var waiting = await database.InsertAsync();
        var restore = database.BackUp();
        var later = await database.InsertAsync();
        Assert.That(await DrainAsync(2), Is.EqualTo(new[] { waiting, later }));

        restore();
        Assert.That(await database.CountAsync("outbox_messages"), Is.EqualTo(1), "what was written later never was");
        var reused = await database.InsertAsync();

        Assert.That(await DrainAsync(2), Is.EqualTo(new[] { waiting, reused }), "the same id comes again, for inboxes to know, and the number of the other is given out anew");

        async Task<IEnumerable<Guid>> DrainAsync(int count)
        {
            await using var drain = await Drain.StartAsync(database, transport);
            var deliveries = await receiver.NextAsync(count);
            await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the rows that wait");
            await drain.StopAsync();
            return deliveries.Select(d => Guid.Parse(d.MessageId!));
        }
    }
}
