using System.Text;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>History is published again to one queue, in its order and with its ids, so that an inbox that knows it changes nothing.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class ReplayTests(SqlDialect engine)
{
    private static readonly ArchiveReplay.Range Everything = new(new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc), new DateTime(2100, 1, 1, 0, 0, 0, DateTimeKind.Utc), null, null, 0);

    private TestDatabase _database = null!;
    private InMemoryTransport _transport = null!;

    [SetUp]
    public async Task Prepare() => (_database, _transport) = (await TestDatabase.CreateAsync(engine), new InMemoryTransport());

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task What_was_published_comes_again_with_its_id_headers_and_order_to_that_queue_alone()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 2_500; i++)
            ids.Add(await ArchiveAsync(i + 1, i % 3 == 0 ? null : $"key-{i % 3}", headers: """{"tenant":"a"}"""));
        await ArchiveAsync(2_501, "key-1", outcome: "expired");
        await using var receiver = await Receiver.OnAsync(_transport, new SubscriptionOptions { Queue = "new", Exchange = "none", Prefetch = 5_000 });
        _transport.Bind("old", "events", "#");
        var replay = Replay();

        var (count, last) = await replay.MeasureAsync(Everything, CancellationToken.None);
        await replay.RunAsync(Everything, last, "new", _ => { }, CancellationToken.None);

        Assert.That((count, replay.Published, replay.LastSequence), Is.EqualTo((2_500, 2_500, 2_500)));
        var deliveries = await receiver.NextAsync(2_500);
        Assert.That(deliveries.Select(d => Guid.Parse(d.MessageId!)), Is.EqualTo(ids));
        Assert.That((deliveries[0].Headers["tenant"], deliveries[0].Headers["cloudEvents:source"], deliveries[0].Type), Is.EqualTo(("a", "orders", "tests.archived.v1")));
        Assert.That(deliveries.Select(d => d.Headers.ContainsKey("outbox-replay")), Is.All.True);
        Assert.That(_transport.Count("old"), Is.Zero);
    }

    [Test]
    public async Task A_range_a_type_a_key_and_a_sequence_narrow_it()
    {
        await ArchiveAsync(1, "a", publishedAt: _database.Time(TimeSpan.FromHours(-3)));
        await ArchiveAsync(2, "a", publishedAt: _database.Time(TimeSpan.FromHours(-1)));
        var wanted = await ArchiveAsync(3, "a", publishedAt: _database.Time(TimeSpan.FromHours(-1)));
        await ArchiveAsync(4, "b", publishedAt: _database.Time(TimeSpan.FromHours(-1)));
        await ArchiveAsync(5, "a", type: "tests.other.v1", publishedAt: _database.Time(TimeSpan.FromHours(-1)));
        await ArchiveAsync(6, "a");
        await using var receiver = await Receiver.OnAsync(_transport, new SubscriptionOptions { Queue = "new", Exchange = "none" });
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        var range = new ArchiveReplay.Range(now.AddHours(-2), now.AddMinutes(-30), "tests.archived.v1", "a", AfterSequence: 2);
        var replay = Replay();

        var (count, last) = await replay.MeasureAsync(range, CancellationToken.None);
        await replay.RunAsync(range, last, "new", _ => { }, CancellationToken.None);

        Assert.That((count, last, replay.LastSequence), Is.EqualTo((1, 3, 3)));
        Assert.That((await receiver.NextAsync()).MessageId, Is.EqualTo($"{wanted}"));
        Assert.That(receiver.TryNext(out _), Is.False);
    }

    [Test]
    public async Task Messages_that_were_not_confirmed_go_again_before_later_ones_of_their_key()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 40; i++)
            ids.Add(await ArchiveAsync(i + 1, $"key-{i % 2}"));
        var arrived = new List<Guid>();
        var random = new Random(7);
        var transport = new ScriptedTransport(envelope =>
        {
            switch (random.Next(6))
            {
                case 0:
                    return PublishOutcome.Nacked;
                case 1:
                    return null;
                default:
                    arrived.Add(envelope.MessageId);
                    return PublishOutcome.Confirmed;
            }
        });
        var replay = new ArchiveReplay(_database.DataSource, engine, "orders", transport, new HurriedTime(200));

        await replay.RunAsync(Everything, 40, "new", _ => { }, CancellationToken.None);

        foreach (var key in new[] { 0, 1 })
            Assert.That(arrived.Where((_, i) => ids.IndexOf(arrived[i]) % 2 == key), Is.EqualTo(ids.Where((_, i) => i % 2 == key)));
        Assert.That((replay.Published, replay.LastSequence), Is.EqualTo((40, 40)));
    }

    [Test]
    public async Task A_replay_that_is_ended_says_how_far_it_came_and_goes_on_there()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 20; i++)
            ids.Add(await ArchiveAsync(i + 1, "k"));
        using var stop = new CancellationTokenSource();
        var arrived = new List<Guid>();
        var transport = new ScriptedTransport(envelope =>
        {
            arrived.Add(envelope.MessageId);
            if (arrived.Count == 8)
                stop.Cancel();
            return PublishOutcome.Confirmed;
        });
        var first = new ArchiveReplay(_database.DataSource, engine, "orders", transport, TimeProvider.System);
        Assert.That(async () => await first.RunAsync(Everything, 20, "new", _ => { }, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(first.LastSequence, Is.InRange(1, 8));

        var range = Everything with { AfterSequence = first.LastSequence };
        await new ArchiveReplay(_database.DataSource, engine, "orders", transport, TimeProvider.System).RunAsync(range, 20, "new", _ => { }, CancellationToken.None);

        Assert.That(arrived.Distinct(), Is.EqualTo(ids));
    }

    [Test]
    public async Task A_message_that_cannot_be_published_ends_the_replay_before_it()
    {
        await ArchiveAsync(1, "k");
        var bad = await ArchiveAsync(2, "k");
        await ArchiveAsync(3, "k");
        var replay = new ArchiveReplay(_database.DataSource, engine, "orders", new ScriptedTransport(e => e.MessageId == bad ? PublishOutcome.Refused : PublishOutcome.Confirmed), TimeProvider.System);

        Assert.That(async () => await replay.RunAsync(Everything, 3, "new", _ => { }, CancellationToken.None), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains($"{bad} (sequence 2"));

        Assert.That(replay.LastSequence, Is.EqualTo(1));
    }

    [Test]
    public async Task A_consumer_that_has_applied_half_of_it_applies_the_other_half()
    {
        if (engine == SqlDialect.SqlServer)
            Assert.Pass("The consumer's tables are made on the other engines.");
        await using var bench = await ConsumerBench.CreateAsync(TestTransport.RabbitMq, engine);
        await using var host = await bench.StartAsync();
        for (var i = 1; i <= 6; i++)
            await ArchiveAsync(i, "k", type: "orders.order-placed.v1", body: $$"""{"number":"{{i}}"}""", id: i <= 3 ? await bench.PublishAsync($"{i}", "k") : null);
        await bench.EffectsBecomeAsync("1", "2", "3");
        await using var transport = TestTransport.CreateRabbitMq(await TestServers.RabbitMqAsync());
        var replay = new ArchiveReplay(_database.DataSource, engine, "orders", transport, TimeProvider.System);

        await replay.RunAsync(Everything, 6, bench.Queue, _ => { }, CancellationToken.None);

        await bench.EffectsBecomeAsync("1", "2", "3", "4", "5", "6");
        Assert.That(bench.Script.Calls.Select(c => c.Number), Is.EqualTo(new[] { "1", "2", "3", "4", "5", "6" }), "in order, and no handler ran twice");
    }

    private ArchiveReplay Replay() => new(_database.DataSource, engine, "orders", _transport, TimeProvider.System);

    private async Task<Guid> ArchiveAsync(long sequence, string? key, string type = "tests.archived.v1", string? headers = null, string outcome = "published", string? publishedAt = null, string body = "{}", Guid? id = null)
    {
        id ??= Guid.CreateVersion7();
        var partition = _database.Partition;
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command($"INSERT INTO outbox_archive (sequence, message_id, {partition}, partition_key, type, headers, content_type, body, created_at, published_at, outcome) VALUES (@sequence, @id, 0, @key, @type, @headers, 'application/json', @body, {_database.Time(TimeSpan.Zero)}, {publishedAt ?? _database.Time(TimeSpan.FromMinutes(-1))}, @outcome)")
            .With("sequence", sequence).With("id", id.Value).With("key", key, System.Data.DbType.String).With("type", type).With("headers", headers, System.Data.DbType.String)
            .With("body", Encoding.UTF8.GetBytes(body)).With("outcome", outcome).ExecuteAsync(CancellationToken.None);
        return id.Value;
    }
}
