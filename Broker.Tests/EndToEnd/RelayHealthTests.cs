using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Outbox.Health;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>A relay's health says what happens to it, and why.</summary>
internal sealed class RelayHealthTests
{
    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_relay_with_nothing_to_do_is_idle_and_one_that_publishes_flows()
    {
        await using var transport = new InMemoryTransport();
        transport.Bind("q", "events", "#");
        await using var relay = await StartAsync(transport);
        await BecomesAsync(relay, "idle", HealthStatus.Healthy, "nothing to publish");

        await _database.InsertAsync();

        var finding = await BecomesAsync(relay, "flowing", HealthStatus.Healthy, "");
        Assert.That(finding.Details!["held"], Is.EqualTo(1));
        Assert.That(finding.ToData()["status"], Is.EqualTo("Healthy"));
    }

    [Test]
    public async Task Rows_for_which_no_queue_is_bound_are_stuck_and_the_reason_says_so()
    {
        await _database.InsertAsync("tests.unbound.v1");
        await GrowOldAsync();
        await using var relay = await StartAsync(new InMemoryTransport(), o => o.StuckAfter = TimeSpan.FromMilliseconds(100));

        var finding = await BecomesAsync(relay, "stuck", HealthStatus.Degraded, "messages of type 'tests.unbound.v1' cannot be published: no queue is bound");

        Assert.That(finding.Details!["backlog"], Is.EqualTo(1));
    }

    [Test]
    public async Task A_key_behind_a_dead_letter_is_blocked_while_others_flow()
    {
        var transport = new ScriptedTransport(e => e.Type == "tests.huge.v1" ? PublishOutcome.Refused : PublishOutcome.Confirmed);
        await _database.InsertAsync("tests.huge.v1", key: "k");
        await _database.InsertAsync();
        await using var relay = await StartAsync(transport, o => o.MaxAttempts = 1);

        await BecomesAsync(relay, "blocked", HealthStatus.Degraded, "a key waits behind a dead letter of type 'tests.huge.v1'");
    }

    [Test]
    public async Task A_backlog_that_drains_is_behind_and_not_stuck()
    {
        var transport = new ScriptedTransport();
        await _database.InsertAsync();
        await GrowOldAsync();
        await using var relay = await StartAsync(transport);

        await BecomesAsync(relay, "behind", HealthStatus.Healthy, "1 rows wait, the oldest for 5 min");
    }

    [Test]
    public async Task A_database_that_does_not_answer_as_it_should_is_named_and_its_return_is_seen()
    {
        await using var relay = await StartAsync(new ScriptedTransport());
        await BecomesAsync(relay, "idle", HealthStatus.Healthy, "");

        await _database.ExecuteAsync("DROP TABLE leases");
        await BecomesAsync(relay, "database away", HealthStatus.Degraded, "leases");

        await _database.CreateTablesAsync();
        await BecomesAsync(relay, "idle", HealthStatus.Healthy, "");
    }

    [Test]
    public async Task The_second_relay_of_an_outbox_with_one_partition_stands_by_and_is_healthy()
    {
        await using var first = await StartAsync(new ScriptedTransport());
        await BecomesAsync(first, "idle", HealthStatus.Healthy, "");
        await using var second = await StartAsync(new ScriptedTransport());
        await BecomesAsync(second, "stand-by", HealthStatus.Healthy, "Other relays drain all partitions");
    }

    [Test]
    public async Task A_broker_that_cannot_be_reached_is_named()
    {
        await using var transport = TestTransport.CreateRabbitMq("amqp://guest:guest@127.0.0.1:1/");
        await using var relay = await StartAsync(transport);
        var finding = await BecomesAsync(relay, "broker away", HealthStatus.Degraded, "until RabbitMQ is back");
        Assert.That(finding.Reason, Does.Not.Contain("guest:guest"));
    }

    [Test]
    public async Task A_drainer_that_may_not_delete_is_told_and_forgotten_when_it_may()
    {
        await _database.ExecuteAsync("CREATE TRIGGER no_right BEFORE DELETE ON outbox_messages BEGIN SELECT RAISE(ABORT, 'no right to delete'); END");
        await _database.InsertAsync();
        await using var relay = await StartAsync(new ScriptedTransport(_ => PublishOutcome.Confirmed));

        await BecomesAsync(relay, "database away", HealthStatus.Degraded, "Partition 0 is not drained");
        Assert.That(relay.Source.State.Failed!.Reason, Does.Contain("no right to delete"));
        await _database.ExecuteAsync("DROP TRIGGER no_right");
        await BecomesAsync(relay, "flowing", HealthStatus.Healthy, "");
    }

    [Test]
    public async Task A_relay_that_was_stopped_is_not_called_healthy()
    {
        await using var relay = await StartAsync(new ScriptedTransport());
        await BecomesAsync(relay, "idle", HealthStatus.Healthy, "");
        await relay.StopAsync();
        Assert.That(new SourceHealth(relay.Source).Report().State, Is.EqualTo("starting"));
    }

    private Task<RunningRelay> StartAsync(ITransport transport, Action<RelayOptions>? configure = null) => RunningRelay.StartAsync(_database, transport, "tests", configure);

    private Task<int> GrowOldAsync() => _database.ExecuteAsync($"UPDATE outbox_messages SET created_at = {_database.Time(TimeSpan.FromMinutes(-5))}");

    private static async Task<HealthFinding> BecomesAsync(RunningRelay relay, string state, HealthStatus status, string reason)
    {
        var health = new SourceHealth(relay.Source);
        HealthFinding finding = null!;
        // What does not flow is told with the next beat.
        await Eventually.IsTrueAsync(() => Task.FromResult((finding = health.Report()).State == state && finding.Reason.Contains(reason, StringComparison.Ordinal)), $"{state} because of '{reason}', in place of {health.Report()}");
        Assert.That(finding.Status, Is.EqualTo(status));
        return finding;
    }
}
