using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>Rows of later: they are out of the way of the others, come when they are due, and are neither lost nor doubled.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class ScheduledTests(SqlDialect engine)
{
    private const int Many = 20_000;

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(engine);

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Many_rows_of_later_leave_the_outbox_and_others_flow_past_them()
    {
        await InsertManyAsync(Many, _database.Time(TimeSpan.FromHours(1)));
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        var others = new List<Guid>();
        for (var i = 0; i < 10; i++)
            others.Add(await _database.InsertAsync(key: "k"));
        await using var drain = await Drain.StartAsync(_database, transport, options: new RelayOptions { BatchSize = 500, ReadAhead = 1_000, MaxWaitingRows = 1_000 });

        await collector.ReachAsync(10);

        Assert.That(collector.Arrived.Select(a => a.Id), Is.EqualTo(others));
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "the outbox is empty", TimeSpan.FromSeconds(60));
        Assert.That(await _database.CountAsync("outbox_scheduled"), Is.EqualTo(Many));
    }

    [Test]
    public async Task Many_rows_that_are_due_at_one_moment_are_all_published_once_and_new_ones_flow_beside_them()
    {
        await InsertManyAsync(Many, _database.Time(TimeSpan.FromHours(1)));
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using (await Drain.StartAsync(_database, transport))
            await Eventually.EqualsAsync(() => _database.CountAsync("outbox_scheduled"), Many, "they are moved aside", TimeSpan.FromSeconds(60));
        await _database.ExecuteAsync($"UPDATE outbox_scheduled SET not_before = {_database.Time(TimeSpan.Zero)}");

        await using var drain = await Drain.StartAsync(_database, transport);
        await _database.InsertAsync();

        await collector.ReachAsync(Many + 1, TimeSpan.FromSeconds(60));
        await Eventually.EqualsAsync(async () => await _database.CountAsync("outbox_messages") + await _database.CountAsync("outbox_scheduled"), 0, "nothing is left");
        Assert.That(collector.Arrived, Has.Count.EqualTo(Many + 1));
    }

    [Test]
    public async Task A_row_comes_when_it_is_due_and_not_before_and_joins_its_key_then()
    {
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        var later = await InsertAsync("k", _database.Time(TimeSpan.FromSeconds(7)));
        var now = await _database.InsertAsync(key: "k");
        await using var drain = await Drain.StartAsync(_database, transport);
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_scheduled"), 1, "it waits aside");
        Assert.That(collector.Applied("k"), Is.EqualTo(new[] { now }));

        await collector.ReachAsync(2);

        Assert.That(collector.Applied("k"), Is.EqualTo(new[] { now, later }));
        await Eventually.EqualsAsync(async () => await _database.CountAsync("outbox_messages") + await _database.CountAsync("outbox_scheduled"), 0, "it has left");
    }

    [Test]
    public async Task A_row_that_expires_while_it_is_scheduled_is_archived_as_expired_if_that_is_wanted()
    {
        await _database.ExecuteAsync(
            $"INSERT INTO outbox_scheduled (sequence, {_database.Partition}, content_type, created_at, message_id, type, body, not_before, expires_at) VALUES (1, 0, 'text/plain', {_database.Time(TimeSpan.Zero)}, @id, 'tests.later.v1', @body, {_database.Time(TimeSpan.FromSeconds(-1))}, {_database.Time(TimeSpan.FromSeconds(-2))})",
            ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        var transport = new ScriptedTransport(_ => PublishOutcome.Confirmed);
        await using var drain = await Drain.StartAsync(_database, transport, options: new RelayOptions { OnExpired = ExpiredPolicy.Archive });

        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_archive WHERE outcome = 'expired'"), 1, "it is archived");

        Assert.That((await _database.CountAsync("outbox_messages"), await _database.CountAsync("outbox_scheduled")), Is.EqualTo((0L, 0L)));
        Assert.That(transport.HasNext, Is.False);
    }

    [Test]
    public async Task Expired_rows_leave_while_others_are_published_all_the_time()
    {
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        var id = Guid.CreateVersion7();
        await using var drain = await Drain.StartAsync(_database, transport, options: new RelayOptions { OnExpired = ExpiredPolicy.Archive });
        using var enough = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
                await _database.InsertAsync();
        });
        await _database.ExecuteAsync(
            $"INSERT INTO outbox_messages (message_id, type, body, expires_at) VALUES (@id, 'tests.expired.v1', @body, {_database.Time(TimeSpan.FromSeconds(-1))})", ("id", id), ("body", Array.Empty<byte>()));

        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_archive WHERE outcome = 'expired'"), 1, "it leaves under load");

        await enough.CancelAsync();
        await writing;
        Assert.That(collector.Arrived.Select(a => a.Id), Has.No.Member(id));
    }

    [TestCase("moving", 1)]
    [TestCase("moved", 1)]
    [TestCase("moving", 2)]
    [TestCase("moved", 2)]
    public async Task A_relay_that_dies_while_it_moves_rows_aside_or_back_loses_and_doubles_nothing(string step, int time)
    {
        await InsertManyAsync(1_500, _database.Time(TimeSpan.FromHours(1)));
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await DieAtAsync(step, time);
        Assert.That(await _database.CountAsync("outbox_messages") + await _database.CountAsync("outbox_scheduled"), Is.EqualTo(1_500));
        await using (await Drain.StartAsync(_database, transport))
            await Eventually.EqualsAsync(() => _database.CountAsync("outbox_scheduled"), 1_500, "all are moved aside");
        await _database.ExecuteAsync($"UPDATE outbox_scheduled SET not_before = {_database.Time(TimeSpan.Zero)} WHERE id % 2 = 0");
        await _database.ExecuteAsync($"UPDATE outbox_scheduled SET not_before = {_database.Time(TimeSpan.FromSeconds(1))} WHERE id % 2 = 1");
        if (time == 1)
            await DieAtAsync(step, time);

        await using var last = await Drain.StartAsync(_database, transport);

        await collector.ReachAsync(1_500);
        await Eventually.EqualsAsync(async () => await _database.CountAsync("outbox_messages") + await _database.CountAsync("outbox_scheduled"), 0, "nothing is left");
        Assert.That(collector.Arrived.Select(a => a.Id).Distinct().Count(), Is.EqualTo(1_500));

        async Task DieAtAsync(string at, int count)
        {
            var steps = new TestSteps();
            var reached = 0;
            steps.On(at, () => Interlocked.Increment(ref reached) == count ? throw new InvalidOperationException("died") : Task.CompletedTask);
            var first = await Drain.StartAsync(_database, transport, steps);
            Assert.That(async () => await first.Ended.WaitAsync(TimeSpan.FromSeconds(60)), Throws.InvalidOperationException);
            await first.DieAsync(_database);
        }
    }

    private async Task<Guid> InsertAsync(string key, string notBefore)
    {
        var id = Guid.CreateVersion7();
        await _database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, partition_key, body, not_before) VALUES (@id, 'tests.later.v1', @key, @body, {notBefore})", ("id", id), ("key", key), ("body", Array.Empty<byte>()));
        return id;
    }

    private async Task InsertManyAsync(int count, string notBefore)
    {
        for (var from = 0; from < count; from += 1_000)
        {
            var rows = Enumerable.Range(0, Math.Min(1_000, count - from)).Select(_ => $"('{Guid.CreateVersion7().ToString("D").ToUpperInvariant()}', 'tests.later.v1', {(engine == SqlDialect.PostgreSql ? "''" : engine == SqlDialect.SqlServer ? "0x" : "x''")}, {notBefore})");
            await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body, not_before) VALUES " + string.Join(",", rows));
        }
    }
}
