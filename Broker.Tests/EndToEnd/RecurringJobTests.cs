using System.Net;
using Broker.Dashboard;
using Broker.Dashboard.Jobs;
using Broker.Dashboard.Snapshots;
using Broker.Tests.Support;
using Hangfire.InMemory;
using Hangfire.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What the jobs do by themselves, on every engine.</summary>
internal sealed class RecurringJobTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    private static readonly IReadOnlyList<SqlDialect> Engines = TestDatabase.Engines;

    private sealed class Sources(TestDatabase database) : IDashboardSources
    {
        public IReadOnlyList<DashboardSource> Current { get; } = [new DashboardSource { Name = "orders", Dialect = database.Dialect, DataSource = database.DataSource, Exchange = "events", Options = new() }];
    }

    [Test]
    public async Task Retention_forgets_what_is_old_and_discarded_and_nothing_else([ValueSource(nameof(Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        foreach (var (state, days) in new[] { ("discarded", -31), ("discarded", -29), ("dead", -31), ("blocking", -31) })
            await BuryAsync(database, state, TimeSpan.FromDays(days));
        foreach (var days in (int[])[-366, -364])
            await database.ExecuteAsync($"INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, action, actor, acted_at) VALUES (1, 'relay', '', 'discarded', 'ada', {database.Time(TimeSpan.FromDays(days))})");
        foreach (var days in (int[])[-91, -89])
            await database.ExecuteAsync($"INSERT INTO inbox_messages (consumer, message_id, received_at) VALUES ('gone', @id, {database.Time(TimeSpan.FromDays(days))})", ("id", Guid.CreateVersion7()));

        await RetainAsync(database, new JobsSettings());
        Assert.That(await database.CountAsync("inbox_messages"), Is.EqualTo(2), "without being told to it forgets no inbox");
        await RetainAsync(database, new JobsSettings { InboxRetention = TimeSpan.FromDays(90) });
        await RetainAsync(database, new JobsSettings { InboxRetention = TimeSpan.FromDays(90) });

        Assert.That(await database.CountAsync("dead_letters WHERE state = 'discarded'"), Is.EqualTo(1));
        Assert.That(await database.CountAsync("dead_letters"), Is.EqualTo(3));
        Assert.That(await database.CountAsync("dead_letter_actions"), Is.EqualTo(1));
        Assert.That(await database.CountAsync("inbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_rule_redrives_what_it_names_and_each_message_only_so_often([ValueSource(nameof(Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var (often, young, other) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        await BuryAsync(database, "dead", TimeSpan.FromHours(-2), young, reason: "deadlock victim");
        await BuryAsync(database, "dead", TimeSpan.FromHours(-2), often, reason: "deadlock victim");
        await BuryAsync(database, "dead", TimeSpan.FromMinutes(-2), reason: "deadlock victim");
        await BuryAsync(database, "dead", TimeSpan.FromHours(-2), other, reason: "no such product");
        for (var i = 0; i < 2; i++)
            await database.ExecuteAsync("INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor) VALUES (77, 'consumer', 'stock', @id, 'redriven', 'ada')", ("id", often));
        var rule = new RedriveSettings("deadlocks", "0 * * * *", "orders", "tests.something.v1", "stock", "DEADLOCK", TimeSpan.FromHours(1), MostTimes: 2);
        var job = new RedriveJob(new Sources(database), new JobsSettings { Redrive = [rule] }, TimeProvider.System, NullLogger<RedriveJob>.Instance);

        Assert.That(await job.RunAsync("deadlocks", None), Is.EqualTo("orders: 1 redriven"));
        Assert.That(await job.RunAsync("deadlocks", None), Is.EqualTo("orders: 0 redriven"));

        Assert.That(await database.CountAsync("deferred_messages"), Is.EqualTo(1));
        Assert.That(await database.CountAsync("dead_letters"), Is.EqualTo(3));
    }

    [Test]
    public async Task What_is_stuck_is_told_once_when_it_begins_and_once_when_it_is_over([ValueSource(nameof(Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        using var storage = new InMemoryStorage();
        var log = new TestLog();
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(log));
        var findings = new Findings(storage, TimeProvider.System, loggers.CreateLogger<Findings>());
        var job = new StuckJob(new Sources(database), findings, new JobsSettings(), TimeProvider.System, loggers.CreateLogger<StuckJob>());
        await database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, body, created_at) VALUES (@id, 'tests.something.v1', @body, {database.Time(TimeSpan.FromMinutes(-10))})", ("id", Guid.CreateVersion7()), ("body", "{}"u8.ToArray()));

        await job.RunAsync(None);
        await job.RunAsync(None);
        Assert.That(findings.Current.Select(f => f.Kind), Is.EquivalentTo(new[] { "lag", "relay" }));
        Assert.That(Told(log, "is stuck (lag)"), Is.EqualTo(1));
        await database.ExecuteAsync("DELETE FROM outbox_messages");
        await job.RunAsync(None);
        await job.RunAsync(None);

        Assert.That(findings.Current.Select(f => f.Kind), Is.EqualTo(new[] { "relay" }));
        Assert.That(Told(log, "is stuck no longer (lag)"), Is.EqualTo(1));
        Assert.That(Told(log, "is stuck (relay)"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_table_that_somebody_has_changed_is_told()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        using var storage = new InMemoryStorage();
        var findings = new Findings(storage, TimeProvider.System, NullLogger<Findings>.Instance);
        var job = new SchemaJob(new Sources(database), findings, TimeProvider.System, NullLogger<SchemaJob>.Instance);

        Assert.That(await job.RunAsync(None), Is.EqualTo("orders: as expected"));
        await database.ExecuteAsync("ALTER TABLE dead_letters DROP COLUMN expires_at");
        await job.RunAsync(None);

        Assert.That(findings.Current.Single(), Has.Property("Kind").EqualTo("schema").And.Property("What").Contains("expires_at"));
    }

    [Test]
    public async Task Of_two_workers_one_does_a_job_on_a_source([ValueSource(nameof(Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var source = new Sources(database).Current[0];
        var second = true;
        var first = await JobLease.RunAsync(source, "test", TimeProvider.System, async token => second = await JobLease.RunAsync(source, "test", TimeProvider.System, _ => Task.CompletedTask, token), None);

        Assert.That((first, second), Is.EqualTo((true, false)));
        Assert.That(await JobLease.RunAsync(source, "test", TimeProvider.System, _ => Task.CompletedTask, None), Is.True);
    }

    [Test]
    public async Task A_message_that_fails_for_long_is_told_however_many_others_come_and_go([ValueSource(nameof(Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        using var storage = new InMemoryStorage();
        var findings = new Findings(storage, TimeProvider.System, NullLogger<Findings>.Instance);
        var job = new StuckJob(new Sources(database), findings, new JobsSettings(), TimeProvider.System, NullLogger<StuckJob>.Instance);
        await DeferAsync(database, "failed", TimeSpan.FromMinutes(-4), "young");
        await DeferAsync(database, "behind", TimeSpan.FromMinutes(-20), "waits");

        await job.RunAsync(None);
        Assert.That(findings.Current.Select(f => f.Kind), Does.Not.Contain(StuckJob.Deferred), "what waits behind another, or has just begun, is not stuck");

        var stuck = await DeferAsync(database, "failed", TimeSpan.FromMinutes(-6), "old");
        await job.RunAsync(None);
        Assert.That(findings.Current.Single(f => f.Kind == StuckJob.Deferred).What, Does.Contain("'old' fails again and again: 1 deferred messages, the oldest for 0.00:06"));
        Assert.That(Problems.With([], findings.Current).Single(p => p.What.StartsWith("Deferred", StringComparison.Ordinal)).Source, Is.EqualTo("orders"), "the overview tells it");

        await database.ExecuteAsync("DELETE FROM deferred_messages WHERE message_id = @id", ("id", stuck));
        await job.RunAsync(None);
        Assert.That(findings.Current.Select(f => f.Kind), Does.Not.Contain(StuckJob.Deferred));
    }

    [TestCase("PostgreSql")]
    [TestCase("InMemory")]
    public async Task The_jobs_recur_and_their_history_is_in_the_configured_storage(string storage)
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var configuration = new Dictionary<string, string?>(TestDashboard.Users) { ["Broker:Jobs:Storage"] = storage, ["Broker:Jobs:Redrive:deadlocks:Cron"] = "0 * * * *" };
        if (storage == "PostgreSql")
            configuration["Broker:Jobs:ConnectionString"] = await TestServers.PostgreSqlAsync();
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database }, configuration, "jobs,dashboard");
        using var connection = (await dashboard.Services.GetRequiredService<AwaitedJobStorage>().Opened).GetConnection();

        await Eventually.IsTrueAsync(() => Task.FromResult(connection.GetRecurringJobs().Any(j => j is { Id: "stuck", LastJobState: "Succeeded" })), "the look for what is stuck runs at once");
        Assert.That(connection.GetRecurringJobs().Select(j => j.Id), Is.EquivalentTo(new[] { "retention", "stuck", "schema", "in-doubt", "redrive-deadlocks" }));
    }

    [TestCase("PostgreSql")]
    [TestCase("InMemory")]
    public async Task What_the_jobs_find_is_in_the_health_of_every_worker_and_makes_none_unready(string storage)
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var kept = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        var sources = new Dictionary<string, TestDatabase> { ["orders"] = database };
        var configuration = new Dictionary<string, string?>(TestDashboard.Users) { ["Broker:Jobs:Storage"] = storage };
        if (storage == "PostgreSql")
            configuration["Broker:Jobs:ConnectionString"] = kept.ConnectionString;
        await using var worker = await TestDashboard.StartAsync(sources, configuration, "jobs,dashboard");

        var found = await FindingsBecomeAsync(worker, "some");
        Assert.That((string?)found["status"], Is.EqualTo("Degraded"));
        Assert.That((string?)found["reason"], Does.Contain("orders (relay): No relay is at work on this source"));
        Assert.That((await GetAsync(worker, "/health/ready")).Code, Is.EqualTo(HttpStatusCode.OK), "another worker would find it too");
        Assert.That((await GetAsync(worker, "/health")).Code, Is.EqualTo(HttpStatusCode.ServiceUnavailable), "a monitor tells it");
        if (storage == "PostgreSql")
        {
            await using var other = await TestDashboard.StartAsync(sources, configuration, "dashboard");
            await FindingsBecomeAsync(other, "some");
        }

        await database.ExecuteAsync($"INSERT INTO relays (owner, expires_at) VALUES ('machine/1/a', {database.Time(TimeSpan.FromHours(1))})");
        await ActivatorUtilities.CreateInstance<StuckJob>(worker.Services).RunAsync(None);

        Assert.That((string?)(await FindingsBecomeAsync(worker, "none"))["status"], Is.EqualTo("Healthy"));
    }

    private static async Task<JObject> FindingsBecomeAsync(TestDashboard worker, string state)
    {
        JObject part = null!;
        await Eventually.EqualsAsync(async () => (string?)(part = (JObject)JObject.Parse((await GetAsync(worker, "/health/ready")).Text)["parts"]!["findings"]!)["state"], state, "the findings in the worker's health");
        return part;
    }

    private static async Task<(HttpStatusCode Code, string Text)> GetAsync(TestDashboard worker, string path)
    {
        using var browser = worker.Browser(user: null);
        using var answer = await browser.GetAsync(path);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static Task<string> RetainAsync(TestDatabase database, JobsSettings settings) => new RetentionJob(new Sources(database), settings, TimeProvider.System, NullLogger<RetentionJob>.Instance).RunAsync(None);

    private static int Told(TestLog log, string text) => log.Entries.Count(entry => entry.Message.Contains(text, StringComparison.Ordinal));

    private static async Task<Guid> DeferAsync(TestDatabase database, string state, TimeSpan age, string consumer)
    {
        var id = Guid.CreateVersion7();
        await database.ExecuteAsync(
            $"INSERT INTO deferred_messages (consumer, message_id, type, body, state, attempts, deferred_at) VALUES (@consumer, @id, 'tests.something.v1', @body, '{state}', 1, {database.Time(age)})",
            ("consumer", consumer), ("id", id), ("body", "{}"u8.ToArray()));
        return id;
    }

    private static Task<int> BuryAsync(TestDatabase database, string state, TimeSpan age, Guid? id = null, string reason = "it failed") => database.ExecuteAsync(
        $"INSERT INTO dead_letters (side, consumer, message_id, type, body, reason, attempts, state, last_failed_at) VALUES ('consumer', 'stock', @id, 'tests.something.v1', @body, @reason, 1, '{state}', {database.Time(age)})",
        ("id", id ?? Guid.CreateVersion7()), ("body", "{}"u8.ToArray()), ("reason", reason));
}
