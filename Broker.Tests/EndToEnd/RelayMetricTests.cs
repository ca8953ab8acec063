using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>What a relay does is what its metrics say.</summary>
internal sealed class RelayMetricTests
{
    private string _source = "";
    private TestDatabase _database = null!;
    private MetricRecorder _metrics = null!;

    [SetUp]
    public async Task Prepare()
    {
        _source = TestServers.NewName("source");
        _metrics = new MetricRecorder(_source);
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
    }

    [TearDown]
    public async Task Close()
    {
        _metrics?.Dispose();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task Messages_batches_and_durations_are_measured_on_their_way()
    {
        await using var transport = new InMemoryTransport();
        transport.Bind("q", "events", "#");
        for (var i = 0; i < 20; i++)
            await _database.InsertAsync();

        await using (var relay = await StartAsync(transport))
        {
            await _metrics.SumBecomesAsync(20, "outbox.relay.settled");
            await _metrics.GaugeBecomesAsync(1, "outbox.relay.up", ("engine", "Sqlite"));
            await _metrics.GaugeBecomesAsync(1, "outbox.relay.partitions");
        }

        Assert.Multiple(() =>
        {
            Assert.That(_metrics.Sum("outbox.relay.published"), Is.EqualTo(20));
            Assert.That(_metrics.Sum("messaging.client.sent.messages", ("messaging.system", "in_memory"), ("messaging.destination.name", "events")), Is.EqualTo(20));
            foreach (var operation in (string[])["read", "publish", "settle"])
                Assert.That(_metrics.Sum("outbox.relay.batch.size", ("operation", operation)), Is.EqualTo(20), operation);
            foreach (var operation in (string[])["read", "settle", "beat"])
                Assert.That(_metrics.Of("outbox.relay.database.duration", ("operation", operation)), Is.Not.Empty, operation);
            Assert.That(_metrics.Of("outbox.relay.publish.duration"), Is.Not.Empty);
            Assert.That(_metrics.Of("messaging.client.operation.duration", ("messaging.operation.name", "publish"), ("messaging.operation.type", "send")).All(m => m.Value is > 0 and < 20), Is.True);
            Assert.That(_metrics.Of("messaging.client.operation.duration"), Has.Count.EqualTo(_metrics.Of("outbox.relay.publish.duration").Count), "one of each batch is measured");
            Assert.That(_metrics.Sum("outbox.relay.lease_changes", ("change", "taken")), Is.EqualTo(1));
            Assert.That(_metrics.Sum("outbox.relay.lease_changes", ("change", "released")), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task A_source_that_has_ended_is_not_shown_any_more()
    {
        await using var relay = await StartAsync(new ScriptedTransport());
        await _metrics.GaugeBecomesAsync(1, "outbox.relay.partitions");
        await _metrics.GaugeBecomesAsync(0, "outbox.backlog");

        await relay.StopAsync();

        foreach (var gauge in (string[])["outbox.relay.partitions", "outbox.relay.up", "outbox.backlog", "outbox.lag", "outbox.relay.blocked_keys"])
            Assert.That(_metrics.Gauge(gauge), Is.Null, gauge);
    }

    [TestCase(PublishOutcome.Unroutable, "unroutable")]
    [TestCase(PublishOutcome.Nacked, "nacked")]
    [TestCase(PublishOutcome.Refused, "refused")]
    [TestCase(PublishOutcome.Unknown, "unknown")]
    public async Task What_is_not_confirmed_is_counted_by_its_outcome_and_tried_again(PublishOutcome outcome, string tag)
    {
        var transport = new ScriptedTransport();
        await _database.InsertAsync(key: "k");
        await using var relay = await StartAsync(transport);

        (await transport.NextAsync()).Answer(outcome);
        (await transport.NextAsync()).Answer(PublishOutcome.Confirmed);

        await _metrics.SumBecomesAsync(1, "outbox.relay.settled");
        Assert.That(_metrics.Sum("outbox.relay.not_confirmed", ("outcome", tag)), Is.EqualTo(1));
        Assert.That(_metrics.Sum("outbox.relay.retries"), Is.EqualTo(1));
        Assert.That(_metrics.Sum("messaging.client.sent.messages", ("error.type", tag)), Is.EqualTo(1));
        Assert.That(_metrics.Of("messaging.client.operation.duration", ("error.type", tag)), Has.Count.EqualTo(1));
        Assert.That(_metrics.Sum("outbox.relay.published"), Is.EqualTo(1));
    }

    [Test]
    public async Task Keys_and_types_that_wait_are_shown_until_they_flow()
    {
        var isBound = false;
        var transport = new ScriptedTransport(e => e.Type == "tests.unbound.v1" ? Volatile.Read(ref isBound) ? PublishOutcome.Confirmed : PublishOutcome.Unroutable : e.Type == "tests.huge.v1" ? PublishOutcome.Refused : PublishOutcome.Confirmed);
        await _database.InsertAsync("tests.unbound.v1");
        await _database.InsertAsync("tests.huge.v1", key: "huge");
        await using var relay = await StartAsync(transport, o => o.MaxAttempts = 20);

        await _metrics.GaugeBecomesAsync(1, "outbox.relay.blocked_types");
        await _metrics.GaugeBecomesAsync(1, "outbox.relay.blocked_keys", ("state", "retrying"));
        await _metrics.GaugeBecomesAsync(1, "outbox.relay.blocked_keys", ("state", "dead-letter"));
        Assert.That(_metrics.Sum("outbox.dead_letters"), Is.EqualTo(1));

        Volatile.Write(ref isBound, true);
        await _metrics.GaugeBecomesAsync(0, "outbox.relay.blocked_types");
        await _metrics.GaugeBecomesAsync(0, "outbox.relay.blocked_keys", ("state", "retrying"));
    }

    [Test]
    public async Task Rows_that_go_another_way_are_counted()
    {
        await using var transport = new InMemoryTransport();
        transport.Bind("q", "events", "#");
        await InsertAsync("expires_at", TimeSpan.FromSeconds(-1));
        await InsertAsync("not_before", TimeSpan.FromHours(1));
        await using (var relay = await StartAsync(transport))
        {
            await _metrics.SumBecomesAsync(1, "outbox.relay.expired");
            await _metrics.SumBecomesAsync(1, "outbox.relay.scheduled");
        }
        await _database.ExecuteAsync($"UPDATE outbox_scheduled SET not_before = {_database.Time(TimeSpan.FromSeconds(-1))}");

        await using var next = await StartAsync(transport);

        await _metrics.SumBecomesAsync(1, "outbox.relay.came_due");
        await _metrics.SumBecomesAsync(1, "outbox.relay.published");
    }

    [Test]
    public async Task What_lies_in_the_tables_is_shown_and_a_scrape_asks_no_database()
    {
        // Nobody answers, so that everything stays.
        var transport = new ScriptedTransport();
        for (var i = 0; i < 3; i++)
            await _database.InsertAsync();
        await _database.ExecuteAsync($"UPDATE outbox_messages SET created_at = {_database.Time(TimeSpan.FromMinutes(-5))}");
        await _database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, body, {_database.Partition}) VALUES ('{Guid.CreateVersion7()}', 'tests.stray.v1', '', 7)");
        await _database.ExecuteAsync("INSERT INTO outbox_scheduled (message_id, type, content_type, body, not_before, sequence, partition, created_at) VALUES ('00000000-0000-7000-8000-000000000001', 't', 'c', '', '2999-01-01 00:00:00.000', 1000000, 0, '2026-01-01 00:00:00.000')");
        await _database.ExecuteAsync("INSERT INTO deferred_messages (consumer, message_id, body, state, attempts) VALUES ('c', '00000000-0000-7000-8000-000000000002', '', 'failed', 1)");
        await _database.ExecuteAsync("INSERT INTO dead_letters (side, source, message_id, type, body, reason, attempts, state) VALUES ('relay', 's', '00000000-0000-7000-8000-000000000003', 't', '', 'r', 1, 'dead')");

        await using var relay = await StartAsync(transport);

        await _metrics.GaugeBecomesAsync(3, "outbox.backlog");
        await _metrics.GaugeBecomesAsync(1, "outbox.scheduled");
        await _metrics.GaugeBecomesAsync(1, "outbox.dead_letters.waiting");
        await _metrics.GaugeBecomesAsync(1, "outbox.deferred");
        await _metrics.GaugeBecomesAsync(1, "outbox.stray");
        Assert.That(_metrics.Gauge("outbox.lag"), Is.InRange(290, 400));

        await _database.InsertAsync();
        Assert.That(_metrics.Gauge("outbox.backlog"), Is.EqualTo(3), "the next look is seconds away");
    }

    [Test]
    public async Task A_relay_whose_database_fails_is_shown_as_down_and_counts_its_errors()
    {
        await using var relay = await StartAsync(new ScriptedTransport());
        await _metrics.GaugeBecomesAsync(1, "outbox.relay.up");

        await _database.ExecuteAsync("DROP TABLE leases");
        await _metrics.GaugeBecomesAsync(0, "outbox.relay.up");
        Assert.That(_metrics.Sum("outbox.relay.errors", ("error.type", "database")), Is.Positive);

        await _database.CreateTablesAsync();
        await _metrics.GaugeBecomesAsync(1, "outbox.relay.up");
    }

    [Test]
    public async Task A_delete_that_finds_the_lease_in_other_hands_is_counted()
    {
        using var metrics = new MetricRecorder("tests");
        var transport = new ScriptedTransport();
        await _database.InsertAsync();
        var drain = await Drain.StartAsync(_database, transport);
        var sent = await transport.NextAsync();
        await drain.StealLeaseAsync(_database);
        sent.Answer(PublishOutcome.Confirmed);
        Assert.That(async () => await drain.Ended.WaitAsync(TimeSpan.FromSeconds(60)), Throws.InstanceOf<LeaseLostException>());
        Assert.That(metrics.Sum("outbox.relay.refused_settles", ("source", "tests")), Is.Positive);
        await drain.DisposeAsync();
    }

    [Test]
    public async Task A_lease_that_another_took_is_counted_as_lost()
    {
        await using var relay = await StartAsync(new ScriptedTransport());
        await _metrics.GaugeBecomesAsync(1, "outbox.relay.partitions");

        await _database.ExecuteAsync("UPDATE leases SET token = token + 1, owner = 'thief' WHERE name = 'relay/0'");

        await _metrics.SumBecomesAsync(1, "outbox.relay.lease_changes", ("change", "lost"));
    }

    [Test]
    public async Task Rings_of_the_doorbell_are_counted()
    {
        await using var transport = new InMemoryTransport();
        using (transport.Doorbell.Listen(_source, () => { }))
            transport.Doorbell.Ring(_source);
        await using var away = TestTransport.CreateRabbitMq("amqp://guest:guest@127.0.0.1:1/");
        away.Doorbell.Ring(_source);

        await _metrics.SumBecomesAsync(1, "outbox.doorbell.rung");
        await _metrics.SumBecomesAsync(1, "outbox.doorbell.heard");
        await _metrics.SumBecomesAsync(1, "outbox.doorbell.dropped");
    }

    private Task<RunningRelay> StartAsync(ITransport transport, Action<RelayOptions>? configure = null) => RunningRelay.StartAsync(_database, transport, _source, configure);

    private Task<int> InsertAsync(string column, TimeSpan fromNow) => _database.ExecuteAsync(
        $"INSERT INTO outbox_messages (message_id, type, body, {column}) VALUES (@id, 'tests.other.v1', @body, {_database.Time(fromNow)})", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
}
