using System.Data.Common;
using System.Diagnostics.Metrics;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>What a careless program may insert ends where docs/table-contract.md says, and never blocks others.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class BadRowsTests(SqlDialect engine)
{
    private const int Large = 5 * 1024 * 1024;

    private readonly TestLog _log = new();
    private TestDatabase _database = null!;
    private ITransport _transport = null!;
    private string _exchange = "";
    private string _source = "";

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(engine);
        (_exchange, _source) = (TestServers.NewName("exchange"), TestServers.NewName("source"));
    }

    [TearDown]
    public async Task Close()
    {
        if (_transport is not null)
            await _transport.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [TestCase("message_id, type", "@id, 'tests.bad.v1'")]
    [TestCase("message_id, type, body", "@id, 'tests.bad.v1', NULL")]
    [TestCase("message_id, type, body", "@id, NULL, @body")]
    [TestCase("message_id, type, body", "NULL, 'tests.bad.v1', @body")]
    public async Task A_null_where_something_is_required_is_refused_by_the_database(string columns, string values)
    {
        Assert.That(async () => await _database.ExecuteAsync($"INSERT INTO outbox_messages ({columns}) VALUES ({values})", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>())), Throws.InstanceOf<DbException>());
        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero);
    }

    [Test]
    public async Task A_body_of_5_MB_is_published_and_others_flow_past_it()
    {
        _transport = TestTransport.CreateRabbitMq(await TestServers.RabbitMqAsync());
        await using var collector = await Collector.StartAsync(_transport, TestServers.NewName("queue"), _exchange);
        var large = await InsertAsync("large", body: new byte[Large]);
        var others = new List<Guid>();
        for (var i = 0; i < 50; i++)
            others.Add(await InsertAsync("other"));
        var behind = await InsertAsync("large");

        await using var relay = await StartAsync();

        await collector.ReachAsync(52);
        Assert.That(collector.Applied("large"), Is.EqualTo(new[] { large, behind }));
        Assert.That(collector.Applied("other"), Is.EqualTo(others));
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all are published");
    }

    [Test]
    public async Task A_body_above_the_limit_is_reported_and_holds_up_only_its_key_until_it_is_taken_away()
    {
        _transport = TestTransport.CreateRabbitMq(await TestServers.RabbitMqAsync(), rabbitMq => rabbitMq.MaxMessageBytes = 1_000_000);
        await using var collector = await Collector.StartAsync(_transport, TestServers.NewName("queue"), _exchange);
        await InsertAsync("large", "tests.large.v1", new byte[Large]);
        var behind = await InsertAsync("large");
        for (var i = 0; i < 50; i++)
            await InsertAsync("other");

        await using var relay = await StartAsync();

        await collector.ReachAsync(50);
        var line = await _log.FirstAsync("its body of 5,242,880 bytes is larger than 1,000,000 (RabbitMq:MaxMessageBytes)");
        Assert.That(line.Message, Does.Contain("tests.large.v1"));
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 2, "the large row and the one behind it stay");
        Assert.That(collector.Applied("large"), Is.Empty);

        await _database.ExecuteAsync("DELETE FROM outbox_messages WHERE type = 'tests.large.v1'");
        await collector.ReachAsync(51);
        Assert.That(collector.Applied("large"), Is.EqualTo(new[] { behind }));
    }

    [Test]
    public async Task Headers_that_are_no_object_of_strings_hold_up_only_their_key_until_they_are_mended([Values("not json", "[]", "{\"a\":", "{\"a\":{}}", "{\"a\":[1]}")] string headers)
    {
        await using var collector = await CollectInMemoryAsync();
        var bad = await InsertAsync("poison", headers: headers);
        var behind = await InsertAsync("poison");
        var without = await InsertAsync(null, headers: headers);
        await InsertAsync("other");
        await InsertAsync(null);

        await using var relay = await StartAsync();

        await collector.ReachAsync(2);
        await _log.FirstAsync("its headers are not a JSON object of strings");
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 3, "the bad rows and the one behind the first stay");
        Assert.That(collector.Applied("poison"), Is.Empty);

        await _database.ExecuteAsync("UPDATE outbox_messages SET headers = NULL");
        await collector.ReachAsync(5);
        Assert.That(collector.Applied("poison"), Is.EqualTo(new[] { bad, behind }));
        Assert.That(collector.Applied(null), Has.Member(without));
    }

    [Test]
    public async Task An_id_that_is_no_UUID_holds_up_only_its_key()
    {
        if (engine != SqlDialect.MySql && engine != SqlDialect.Sqlite)
            Assert.Pass("This engine refuses it at the insert.");
        await using var collector = await CollectInMemoryAsync();
        await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, partition_key, body) VALUES ('order-1', 'tests.bad.v1', 'poison', @body)", ("body", Array.Empty<byte>()));
        await InsertAsync("poison");
        var other = await InsertAsync("other");

        await using var relay = await StartAsync();

        await collector.ReachAsync(1);
        await _log.FirstAsync("of type 'tests.bad.v1' cannot be published: a column cannot be read");
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 2, "the bad row and the one behind it stay");
        Assert.That(collector.Arrived.Select(a => a.Id), Is.EqualTo(new[] { other }));
    }

    [Test]
    public async Task A_body_that_SQLite_keeps_as_text_is_published_as_UTF_8()
    {
        if (engine != SqlDialect.Sqlite)
            Assert.Pass("Only SQLite keeps a value of another type than its column's.");
        _transport = new InMemoryTransport();
        await using var receiver = await Receiver.OnAsync(_transport, new SubscriptionOptions { Queue = "text", Exchange = _exchange, Types = ["#"] });
        await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) VALUES ('0123ABCD-89ab-7def-8123-456789abcdef', 'tests.text.v1', '{\"name\":\"Zürich\"}')");

        await using var relay = await StartAsync();

        var delivery = await receiver.NextAsync();
        Assert.That(System.Text.Encoding.UTF8.GetString(delivery.Body.Span), Is.EqualTo("{\"name\":\"Zürich\"}"));
        Assert.That(delivery.MessageId, Is.EqualTo("0123abcd-89ab-7def-8123-456789abcdef"));
    }

    [TestCase(99)]
    [TestCase(-1)]
    public async Task A_row_in_a_partition_that_nobody_reads_is_reported_when_the_relay_starts_and_blocks_nothing(int partition)
    {
        await using var collector = await CollectInMemoryAsync();
        await InsertAsync("k", partition: (short)partition);
        var other = await InsertAsync("k");

        await using var relay = await StartAsync();

        await _log.FirstAsync($"rows lie in partition {partition}, but it has 1 partitions");
        await collector.ReachAsync(1);
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 1, "only the stray row stays");
        Assert.That(collector.Arrived.Select(a => a.Id), Is.EqualTo(new[] { other }));
    }

    [Test]
    public async Task An_expired_row_is_deleted_unpublished_and_counted_and_the_later_ones_of_its_key_go_on()
    {
        await using var collector = await CollectInMemoryAsync();
        var counted = 0L;
        using var meter = new MeterListener { InstrumentPublished = (instrument, listener) => { if (instrument == OutboxMetrics.Expired) listener.EnableMeasurementEvents(instrument); } };
        meter.SetMeasurementEventCallback<long>((_, value, tags, _) => Interlocked.Add(ref counted, tags.ToArray().Contains(new("source", _source)) ? value : 0));
        meter.Start();
        await _database.ExecuteAsync(
            $"INSERT INTO outbox_messages (message_id, type, partition_key, body, expires_at) VALUES (@id, 'tests.expired.v1', 'k', @body, {_database.Time(TimeSpan.FromSeconds(-1))})",
            ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        var behind = await InsertAsync("k");

        await using var relay = await StartAsync();

        await collector.ReachAsync(1);
        await _log.FirstAsync("of type 'tests.expired.v1' had expired and was not published");
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "both rows are gone");
        Assert.That(collector.Arrived.Select(a => a.Id), Is.EqualTo(new[] { behind }));
        Assert.That(Interlocked.Read(ref counted), Is.EqualTo(1));
    }

    private async Task<Collector> CollectInMemoryAsync()
    {
        _transport = new InMemoryTransport();
        return await Collector.StartAsync(_transport, exchange: _exchange);
    }

    private async Task<Guid> InsertAsync(string? key, string type = "tests.good.v1", byte[]? body = null, string? headers = null, short partition = 0)
    {
        var id = Guid.CreateVersion7();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command($"INSERT INTO outbox_messages (message_id, type, partition_key, headers, body, {_database.Partition}) VALUES (@id, @type, @key, @headers, @body, @partition)")
            .With("id", id).With("type", type).With("key", key, System.Data.DbType.String).With("headers", headers, System.Data.DbType.String).With("body", body ?? []).With("partition", partition)
            .ExecuteAsync(CancellationToken.None);
        return id;
    }

    private async Task<Relay> StartAsync()
    {
        var source = new RelaySource
        {
            Name = _source,
            Dialect = engine,
            DataSource = _database.DataSource,
            Transport = _transport,
            Exchange = _exchange,
            // Short delays would use up ten attempts within a second, and a busy machine looks later than that: none of these rows is set aside here.
            Options = new RelayOptions { RetryDelay = TimeSpan.FromMilliseconds(20), MaxRetryDelay = TimeSpan.FromMilliseconds(100), MaxAttempts = 1_000_000, DrainTimeout = TimeSpan.FromMilliseconds(200) },
        };
        var service = new RelayService([source], TimeProvider.System, _log.CreateLogger<RelayService>(), StepSignals.None);
        await service.StartAsync(CancellationToken.None);
        return new Relay(service);
    }

    private sealed class Relay(RelayService service) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await service.StopAsync(CancellationToken.None);
            service.Dispose();
        }
    }
}
