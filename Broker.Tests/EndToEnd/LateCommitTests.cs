using System.Diagnostics;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>A number is taken at the insert and shows at the commit: rows appear below others that were published long ago. SQLite's writers take turns, so there it cannot happen.</summary>
[TestFixtureSource(nameof(Engines))]
internal sealed class LateCommitTests(SqlDialect engine)
{
    private static IEnumerable<SqlDialect> Engines => SqlDialect.All.Where(d => d.LateRows != LateRows.Never);

    [Test]
    public async Task A_row_that_commits_after_a_higher_one_was_published_is_delivered_within_a_second()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using var drain = await Drain.StartAsync(database, transport);
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 5; i++)
        {
            await using var connection = await database.DataSource.OpenConnectionAsync();
            await using var open = await connection.BeginTransactionAsync();
            await database.InsertAsync(key: "late", transaction: open);
            await database.InsertAsync(key: "early");
            await collector.ReachAsync((2 * i) + 1);
            var watch = Stopwatch.StartNew();
            await open.CommitAsync();
            await collector.ReachAsync((2 * i) + 2);
            waits.Add(watch.Elapsed);
        }
        await TestContext.Out.WriteLineAsync($"late rows arrived after {string.Join(", ", waits.Select(w => $"{w.TotalMilliseconds:0} ms"))}");
        Assert.That(waits.Order().ElementAt(2), Is.LessThan(TimeSpan.FromSeconds(1)));
    }

    [Test]
    public async Task A_transaction_that_stays_open_while_many_others_are_published_is_not_forgotten()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using var drain = await Drain.StartAsync(database, transport);

        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var open = await connection.BeginTransactionAsync();
        var late = await database.InsertAsync(key: "late", transaction: open);
        for (var i = 0; i < 300; i++)
            await database.InsertAsync(key: $"key-{i % 7}");
        await collector.ReachAsync(300);
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "everything committed is settled");
        await open.CommitAsync();
        await collector.ReachAsync(301);
        Assert.That(collector.Arrived[^1].Id, Is.EqualTo(late));
    }

    [Test]
    public async Task A_large_transaction_that_commits_late_comes_a_batch_at_a_time_and_before_what_follows_it()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        var options = new Broker.Relay.RelayOptions { BatchSize = 100, ReadAhead = 300, MaxWaitingRows = 600 };
        await using var drain = await Drain.StartAsync(database, transport, options: options);
        var expected = new List<Guid>();
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var open = await connection.BeginTransactionAsync();
        for (var i = 0; i < 2_500; i++)
            expected.Add(await database.InsertAsync(key: $"key-{i % 50}", transaction: open));
        await database.InsertAsync(key: "early");
        await collector.ReachAsync(1);

        await open.CommitAsync();
        for (var i = 0; i < 50; i++)
            expected.Add(await database.InsertAsync(key: $"key-{i}"));

        await collector.ReachAsync(2_551);
        foreach (var key in Enumerable.Range(0, 50))
            Assert.That(collector.Applied($"key-{key}"), Is.EqualTo(expected.Where((_, i) => i % 50 == key)), $"order of key {key}");
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "everything is settled");
        Assert.That(collector.Arrived, Has.Count.EqualTo(2_551));
    }

    [Test]
    public async Task Rows_of_a_key_whose_writers_take_turns_keep_their_order_whatever_else_commits_late()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        await database.ExecuteAsync("CREATE TABLE aggregates (id int PRIMARY KEY, version int NOT NULL DEFAULT 0); INSERT INTO aggregates (id) VALUES (0), (1), (2), (3), (4)");
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using var drain = await Drain.StartAsync(database, transport);

        var expected = Enumerable.Range(0, 5).ToDictionary(k => k, _ => new List<Guid>());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(async () =>
        {
            var random = new Random(writer);
            await using var connection = await database.DataSource.OpenConnectionAsync();
            for (var i = 0; i < 60; i++)
            {
                var key = random.Next(5);
                await using var transaction = await connection.BeginTransactionAsync();
                await connection.Command("UPDATE aggregates SET version = version + 1 WHERE id = @id", transaction).With("id", key).ExecuteAsync(CancellationToken.None);
                var id = await database.InsertAsync(key: $"key-{key}", transaction: transaction);
                await Task.Delay(random.Next(10));
                if (random.Next(4) == 0)
                {
                    await transaction.RollbackAsync();
                    continue;
                }
                // Still under the aggregate's row lock, so the lists are in the order of the commits.
                lock (expected)
                    expected[key].Add(id);
                await transaction.CommitAsync();
            }
        })));
        await collector.ReachAsync(expected.Values.Sum(ids => ids.Count));
        await drain.StopAsync();
        Assert.That(await database.CountAsync("outbox_messages"), Is.Zero);
        foreach (var (key, ids) in expected)
            Assert.That(collector.Applied($"key-{key}"), Is.EqualTo(ids), $"order of key {key}");
        Assert.That(collector.Arrived, Has.Count.EqualTo(expected.Values.Sum(ids => ids.Count)), "rolled back or repeated rows arrived");
    }
}
