using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Crash;

/// <summary>The relay dies between any two awaits that touch a row and a message (G2, G3).</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class RelayCrashTests(SqlDialect engine)
{
    private const int Keys = 5;
    private const int RowsPerKey = 40;

    [TestCase("read", 1)]
    [TestCase("read", 3)]
    [TestCase("published", 1)]
    [TestCase("published", 2)]
    [TestCase("published", 137)]
    [TestCase("confirmed", 1)]
    [TestCase("confirmed", 2)]
    [TestCase("settled", 1)]
    [TestCase("settled", 2)]
    public async Task A_relay_that_dies_at_any_step_loses_nothing_and_keeps_the_order_of_each_key(string step, int time)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        var rows = await WriteAsync(database);

        var steps = new TestSteps();
        var reached = 0;
        steps.On(step, () => Interlocked.Increment(ref reached) == time ? throw new ProcessDiedException() : Task.CompletedTask);
        var first = await Drain.StartAsync(database, transport, steps, new Relay.RelayOptions { BatchSize = 20, Window = 8 });
        // Once dead, dead: whatever still ran beside it reaches no step any more.
        Assert.That(async () => await first.Ended.WaitAsync(TimeSpan.FromSeconds(60)), Throws.InstanceOf<ProcessDiedException>().Or.InstanceOf<OperationCanceledException>());
        await first.DieAsync(database);
        var left = await database.CountAsync("outbox_messages");
        Assert.That(collector.Arrived.Select(a => a.Id).Distinct().Count(), Is.GreaterThanOrEqualTo((Keys * RowsPerKey) - left), "a row left the outbox without a message");

        await using var second = await Drain.StartAsync(database, transport);
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "every row is published and settled");
        await collector.ReachAsync(Keys * RowsPerKey);
        await second.StopAsync();
        foreach (var (key, ids) in rows)
            Assert.That(collector.Applied(key), Is.EqualTo(ids), $"order of {key}");
    }

    [Test]
    public async Task A_stopped_relay_settles_what_it_has_sent_and_repeats_nothing()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        var rows = await WriteAsync(database);
        var steps = new TestSteps();
        var first = await Drain.StartAsync(database, transport, steps);
        await steps.FirstAsync("published");
        await first.StopAsync();
        await first.DisposeAsync();

        await using var second = await Drain.StartAsync(database, transport);
        await collector.ReachAsync(Keys * RowsPerKey);
        await second.StopAsync();
        Assert.That(collector.Arrived, Has.Count.EqualTo(Keys * RowsPerKey), "copies were sent although the relay was stopped in order");
        foreach (var (key, ids) in rows)
            Assert.That(collector.Applied(key), Is.EqualTo(ids));
    }

    private static async Task<Dictionary<string, List<Guid>>> WriteAsync(TestDatabase database)
    {
        var rows = Enumerable.Range(0, Keys).ToDictionary(k => $"key-{k}", _ => new List<Guid>());
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        for (var i = 0; i < RowsPerKey; i++)
        {
            foreach (var (key, ids) in rows)
                ids.Add(await database.InsertAsync(key: key, transaction: transaction));
        }
        await transaction.CommitAsync();
        return rows;
    }

    private sealed class ProcessDiedException : Exception;
}
