using System.Diagnostics;
using System.Globalization;
using Broker.Dashboard.Jobs;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Work on many dead letters, as operators start it from the dashboard.</summary>
internal sealed class LetterJobTests
{
    /// <summary>Dead letters of a run; BROKER_TEST_LETTERS=100000 measures what the documentation says.</summary>
    private static readonly int Letters = int.Parse(Environment.GetEnvironmentVariable("BROKER_TEST_LETTERS") ?? "4000", CultureInfo.InvariantCulture);

    [Test]
    public async Task Many_dead_letters_are_redriven_by_a_job_with_progress_beside_live_traffic_each_once()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        var (uri, exchange) = (await TestServers.RabbitMqAsync(), TestServers.NewName("exchange"));
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await using var collector = await Collector.StartAsync(transport, TestServers.NewName("queue"), exchange);
        await BuryAsync(database, "relay", Letters / 2);
        await BuryAsync(database, "consumer", Letters / 2);
        await using var dashboard = await TestDashboard.StartAsync(
            new Dictionary<string, TestDatabase> { ["orders"] = database },
            new Dictionary<string, string?> { ["Broker:RabbitMq:Uri"] = uri, ["Broker:Exchange"] = exchange, ["Broker:Jobs:Storage"] = "InMemory" }, "relay,jobs,dashboard");
        using var stop = new CancellationTokenSource();
        var traffic = Task.Run(async () =>
        {
            var written = 0;
            for (; !stop.IsCancellationRequested; written++)
                await database.InsertAsync();
            return written;
        });
        var jobs = dashboard.Services.GetRequiredService<LetterJobs>();
        var clock = Stopwatch.StartNew();

        var id = await jobs.RedriveAsync("orders", new DeadLetterDesk.Filter(), "the bug is mended", "ada", CancellationToken.None);
        // Comes after it was asked for.
        await BuryAsync(database, "relay", 1, first: Letters);
        var seen = new List<JobProgress>();
        await Eventually.IsTrueAsync(() => Task.FromResult(Last(seen, jobs.Find(id)!).State is "Succeeded" or "Failed"), "the job ends", TimeSpan.FromSeconds(120));
        var took = clock.Elapsed;
        await stop.CancelAsync();
        var live = await traffic;

        Assert.That(seen[^1] is { State: "Succeeded", IsMore: false }, seen[^1].State);
        Assert.That((seen[^1].Done, seen[^1].Total), Is.EqualTo(((long)Letters, (long)Letters)));
        Assert.That(seen.Select(p => p.Done), Is.Ordered);
        Assert.That(seen[^1].Work!.Actor, Is.EqualTo("ada"));
        Assert.That(await database.CountAsync("dead_letters"), Is.EqualTo(1), "what comes later is none of its business");
        Assert.That(await database.CountAsync("deferred_messages WHERE state = 'failed'"), Is.EqualTo(Letters / 2));
        Assert.That(await database.CountAsync("dead_letter_actions WHERE action = 'redriven' AND actor = 'ada'"), Is.EqualTo(Letters));
        await collector.ReachAsync((Letters / 2) + live, TimeSpan.FromSeconds(60));
        Assert.That(collector.Arrived, Has.Count.EqualTo((Letters / 2) + live), "each arrives once");
        Assert.That(took, Is.LessThan(TimeSpan.FromSeconds(60)));
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Letters:N0} letters in {took.TotalSeconds:0.0} s, beside {live:N0} messages; {seen.Select(s => s.Done).Distinct().Count()} different progresses seen"));
    }

    [Test]
    public async Task What_is_redriven_beside_live_traffic_takes_effect_once_whichever_side_had_set_it_aside()
    {
        await using var bench = await ConsumerBench.CreateAsync(Stack.Servers);
        await using var service = await bench.StartAsync(consumer => consumer.Batch(500));
        await BuryAsync(bench.Database, "relay", Letters / 2, type: "orders.order-placed.v1");
        await BuryAsync(bench.Database, "consumer", Letters / 2, first: Letters / 2, type: "orders.order-placed.v1");
        await using var dashboard = await TestDashboard.StartAsync(
            new Dictionary<string, TestDatabase> { ["orders"] = bench.Database },
            new Dictionary<string, string?> { ["Broker:RabbitMq:Uri"] = await TestServers.RabbitMqAsync(), ["Broker:Exchange"] = bench.Exchange, ["Broker:Jobs:Storage"] = "InMemory" }, "relay,jobs,dashboard");
        using var stop = new CancellationTokenSource();
        var traffic = Task.Run(async () =>
        {
            var written = 0;
            for (; !stop.IsCancellationRequested; written++)
                await bench.Database.InsertAsync("orders.order-placed.v1", $"key-{written % 100}", $$"""{"number":"live-{{written}}"}""");
            return written;
        });
        var jobs = dashboard.Services.GetRequiredService<LetterJobs>();
        var clock = Stopwatch.StartNew();

        var id = await jobs.RedriveAsync("orders", new DeadLetterDesk.Filter(), "the bug is mended", "ada", CancellationToken.None);
        await Eventually.IsTrueAsync(() => Task.FromResult(jobs.Find(id)!.State is "Succeeded" or "Failed"), "the job ends", TimeSpan.FromSeconds(120));
        var took = clock.Elapsed;
        await stop.CancelAsync();
        var live = await traffic;
        Assert.That(jobs.Find(id)!.State, Is.EqualTo("Succeeded"));
        Assert.That(took, Is.LessThan(TimeSpan.FromSeconds(60)));

        await Eventually.IsTrueAsync(async () => await bench.Database.CountAsync("orders") >= Letters + live, "everything is applied", TimeSpan.FromSeconds(60 + (Letters / 500)));
        await Eventually.EqualsAsync(() => bench.Database.CountAsync("deferred_messages"), 0, "nothing is left to try");
        Assert.That(await bench.Database.CountAsync("orders"), Is.EqualTo(Letters + live), "each has one effect");
        Assert.That(await bench.Database.ScalarAsync<long>("SELECT count(DISTINCT split_part(number, '#', 1)) FROM orders"), Is.EqualTo(Letters + live), "and no other");
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Letters:N0} letters redriven in {took.TotalSeconds:0.0} s beside {live:N0} messages, all applied after {clock.Elapsed.TotalSeconds:0.0} s"));
    }

    [Test]
    public async Task A_job_that_is_ended_keeps_what_it_has_done_and_another_goes_on()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await BuryAsync(database, "consumer", 3_000);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database }, roles: "jobs,dashboard");
        var jobs = dashboard.Services.GetRequiredService<LetterJobs>();
        // Somebody holds a letter of the fourth batch, so that the job waits there.
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var holding = await connection.BeginTransactionAsync();
        await connection.Command("UPDATE dead_letters SET attempts = attempts WHERE sequence = -1700", holding).ExecuteAsync(CancellationToken.None);

        var id = await jobs.DiscardAsync("orders", new DeadLetterDesk.Filter(), "test data", "ada", CancellationToken.None);
        await Eventually.EqualsAsync(() => database.CountAsync("dead_letters WHERE state = 'discarded'"), 1_500L, "three batches are done");
        Assert.That(jobs.Cancel(id), Is.True);
        await Eventually.EqualsAsync(() => database.WaitingSessionsAsync(), 0, "the job lets go");
        await holding.RollbackAsync();
        Assert.That(await database.CountAsync("dead_letters WHERE state = 'discarded'"), Is.EqualTo(1_500));

        var next = await jobs.DiscardAsync("orders", new DeadLetterDesk.Filter(), "test data", "ada", CancellationToken.None);
        await Eventually.IsTrueAsync(() => Task.FromResult(jobs.Find(next)!.State == "Succeeded"), "the next one ends");
        Assert.That(await database.CountAsync("dead_letter_actions"), Is.EqualTo(3_000), "each was discarded once");
        Assert.That(jobs.Recent(10).Select(j => j.Id), Is.EqualTo(new[] { next, id }));
    }

    private static JobProgress Last(List<JobProgress> seen, JobProgress progress)
    {
        seen.Add(progress);
        return progress;
    }

    private static Task<int> BuryAsync(TestDatabase database, string side, int count, int first = 0, string type = "tests.something.v1") => database.ExecuteAsync(
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, content_type, body, reason, attempts, sequence, partition, created_at)
        SELECT '{side}', CASE '{side}' WHEN 'relay' THEN (-n)::text ELSE 'stock' END, 'orders', gen_random_uuid(), NULL, '{type}', NULL, 'application/json', convert_to(json_build_object('number', 'letter-' || n)::text, 'UTF8'), 'it failed', 5, -n, 0, clock_timestamp()
        FROM generate_series({first + 1}, {first + count}) AS n
        """);
}
