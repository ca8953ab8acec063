using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>What the relay does with each answer of the transport (G2, G3, G5, G7, G8).</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class RelayTests(SqlDialect engine)
{
    [Test]
    public async Task A_row_is_deleted_only_after_the_transport_confirms()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport();
        await database.InsertAsync();
        await using var drain = await Drain.StartAsync(database, transport);
        var sent = await transport.NextAsync();
        Assert.That(await database.CountAsync("outbox_messages"), Is.EqualTo(1));
        sent.Answer(PublishOutcome.Confirmed);
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the confirmed row is deleted");
    }

    [Test]
    public async Task The_next_row_of_a_key_is_sent_only_after_the_one_before_is_confirmed([Values(PublishOutcome.Nacked, PublishOutcome.Unroutable, PublishOutcome.Refused)] PublishOutcome failure)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport();
        var first = await database.InsertAsync(type: "tests.a.v1", key: "k");
        var second = await database.InsertAsync(type: "tests.b.v1", key: "k");
        var other = await database.InsertAsync(type: "tests.c.v1", key: "other");
        await using var drain = await Drain.StartAsync(database, transport);

        var sent = new[] { await transport.NextAsync(), await transport.NextAsync() };
        Assert.That(sent.Select(s => s.Envelope.MessageId), Is.EquivalentTo(new[] { first, other }));
        sent.Single(s => s.Envelope.MessageId == other).Answer(PublishOutcome.Confirmed);
        sent.Single(s => s.Envelope.MessageId == first).Answer(failure);
        var again = await transport.NextAsync();
        Assert.That(again.Envelope.MessageId, Is.EqualTo(first), "the second row overtook the first one");
        again.Answer(PublishOutcome.Confirmed);
        Assert.That((await transport.NextAsync()).Envelope.MessageId, Is.EqualTo(second));
    }

    [Test]
    public async Task A_lost_channel_repeats_what_was_unanswered_on_a_new_one()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport();
        var ids = new[] { await database.InsertAsync(key: "a"), await database.InsertAsync(key: "b"), await database.InsertAsync() };
        await using var drain = await Drain.StartAsync(database, transport);
        foreach (var id in ids)
            Assert.That((await transport.NextAsync()).Envelope.MessageId, Is.EqualTo(id));
        transport.Lose();
        foreach (var id in ids)
        {
            var sent = await transport.NextAsync();
            Assert.That(sent.Envelope.MessageId, Is.EqualTo(id));
            sent.Answer(PublishOutcome.Confirmed);
        }
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "all rows are settled");
        Assert.That(transport.Channels, Is.EqualTo(2));
    }

    [Test]
    public async Task A_relay_whose_lease_was_taken_deletes_nothing_and_lets_go()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport();
        await database.InsertAsync();
        var drain = await Drain.StartAsync(database, transport);
        var sent = await transport.NextAsync();
        await drain.StealLeaseAsync(database);
        sent.Answer(PublishOutcome.Confirmed);
        Assert.That(async () => await drain.Ended.WaitAsync(TimeSpan.FromSeconds(60)), Throws.InstanceOf<LeaseLostException>());
        Assert.That(await database.CountAsync("outbox_messages"), Is.EqualTo(1));
        await drain.DisposeAsync();
    }

    [Test]
    public async Task Rows_that_cannot_be_published_stay_and_hold_up_only_their_key()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var log = new TestLog();
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport, types: "tests.bound.v1");
        await database.InsertAsync(type: "tests.unbound.v1", key: "blocked");
        await database.InsertAsync(type: "tests.bound.v1", key: "blocked");
        await database.InsertAsync(type: "tests.unbound.v1");
        await database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, partition_key, headers, body) VALUES (@id, 'tests.bound.v1', 'poison', 'not json', @body)", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        await database.InsertAsync(type: "tests.bound.v1", key: "poison");
        await database.InsertAsync(type: "tests.bound.v1", key: "free");
        await database.InsertAsync(type: "tests.bound.v1");
        await using var drain = await Drain.StartAsync(database, transport, log: log);

        await collector.ReachAsync(2);
        await log.FirstAsync("messages of type 'tests.unbound.v1' to exchange 'events' cannot be published: no queue is bound");
        await log.FirstAsync("headers are not a JSON object");
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 5, "only the free rows leave");

        transport.Bind("late", "events", "tests.unbound.v1");
        await log.FirstAsync("messages of type 'tests.unbound.v1' flow again");
        await collector.ReachAsync(3);
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 2, "all but the unreadable row and the one behind it leave by themselves");
        Assert.That(transport.Count("late"), Is.EqualTo(2));

        await database.ExecuteAsync("UPDATE outbox_messages SET headers = NULL WHERE headers IS NOT NULL");
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the mended row and the one behind it leave");
    }

    [Test]
    public async Task More_unroutable_rows_than_fit_in_memory_drain_by_themselves_once_a_queue_is_bound()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new InMemoryTransport();
        var log = new TestLog();
        var ids = new List<Guid>();
        await using (var connection = await database.DataSource.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            for (var i = 0; i < 300; i++)
                ids.Add(await database.InsertAsync(key: "k", transaction: transaction));
            await transaction.CommitAsync();
        }
        var options = new RelayOptions { BatchSize = 10, ReadAhead = 20, MaxWaitingRows = 100, RetryDelay = TimeSpan.FromMilliseconds(20), MaxRetryDelay = TimeSpan.FromMilliseconds(50) };
        await using var drain = await Drain.StartAsync(database, transport, options: options, log: log);
        await log.FirstAsync("no queue is bound");
        await using var collector = await Collector.StartAsync(transport);
        await collector.ReachAsync(300);
        await drain.StopAsync();
        Assert.That(collector.Applied("k"), Is.EqualTo(ids));
        Assert.That(await database.CountAsync("outbox_messages"), Is.Zero);
    }

    [Test]
    public async Task A_row_that_is_never_due_waits_and_stops_nobody()
    {
        if (engine != SqlDialect.PostgreSql)
            Assert.Pass("Only PostgreSQL has an infinite time.");
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport(_ => PublishOutcome.Confirmed);
        await database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, partition_key, body, not_before) VALUES (@id, 'tests.never.v1', 'k', @body, 'infinity')", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        await database.InsertAsync(key: "k");
        await using var drain = await Drain.StartAsync(database, transport);

        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages WHERE type <> 'tests.never.v1'"), 0, "the row behind it leaves");

        await database.InsertAsync();
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages WHERE type <> 'tests.never.v1'"), 0, "and so do later ones");
        await drain.StopAsync();
        Assert.That(await database.CountAsync("outbox_scheduled WHERE not_before = 'infinity'"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_row_is_published_when_it_is_due_and_never_after_its_time()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport(_ => PublishOutcome.Confirmed);
        var log = new TestLog();
        var (past, soon) = (database.Time(TimeSpan.FromSeconds(-1)), database.Time(TimeSpan.FromSeconds(1)));
        await database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, body, expires_at) VALUES (@id, 'tests.expired.v1', @body, {past})", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        await database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, partition_key, body, not_before) VALUES (@id, 'tests.due.v1', 'k', @body, {soon})", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        await database.InsertAsync(type: "tests.now.v1", key: "k");
        await using var drain = await Drain.StartAsync(database, transport, log: log);
        await log.FirstAsync("of type 'tests.expired.v1' had expired");
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages WHERE type <> 'tests.due.v1'"), 0, "the others leave at once");
        Assert.That(await database.CountAsync($"outbox_messages WHERE not_before > {past}"), Is.EqualTo(1), "the row left before it was due");
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the due row leaves");
    }

    [Test]
    public async Task A_published_row_that_somebody_has_locked_is_settled_later_and_not_published_again()
    {
        if (engine == SqlDialect.Sqlite)
            Assert.Pass("This engine locks no rows.");
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport();
        await database.InsertAsync();
        await using var drain = await Drain.StartAsync(database, transport);
        var sent = await transport.NextAsync();
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.Command("UPDATE outbox_messages SET content_type = 'text/plain'", transaction).ExecuteAsync(CancellationToken.None);
        sent.Answer(PublishOutcome.Confirmed);

        // Longer than the relay waits for one lock.
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await Eventually.IsTrueAsync(() => Task.FromResult(watch.Elapsed > TimeSpan.FromSeconds(1.5)), "the lock outlasts a wait");
        Assert.That(drain.Ended.IsCompleted, Is.False);
        await transaction.RollbackAsync();

        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the row is settled");
        Assert.That(transport.Channels, Is.EqualTo(1), "the drain went on as if nothing had been");
    }

    [Test]
    public async Task With_archiving_on_published_rows_are_kept_and_expired_ones_are_not()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var transport = new ScriptedTransport(_ => PublishOutcome.Confirmed);
        var ids = new[] { await database.InsertAsync(key: "a"), await database.InsertAsync(key: "a"), await database.InsertAsync() };
        await database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, body, expires_at) VALUES (@id, 'tests.expired.v1', @body, {database.Time(TimeSpan.FromSeconds(-1))})", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        await using var drain = await Drain.StartAsync(database, transport, options: new RelayOptions { Archive = true });

        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "all rows leave");

        var archived = await database.QueryAsync($"SELECT {database.Text("message_id")} FROM outbox_archive ORDER BY sequence");
        Assert.That(archived.Select(r => Guid.Parse(r[0]!)), Is.EqualTo(ids));
    }

    [Test]
    public async Task Old_archived_rows_are_removed_by_who_holds_the_first_partition()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        await using (var drain = await Drain.StartAsync(database, new ScriptedTransport(_ => PublishOutcome.Confirmed), options: new RelayOptions { Archive = true }))
        {
            await database.InsertAsync();
            await database.InsertAsync();
            await Eventually.EqualsAsync(() => database.CountAsync("outbox_archive"), 2, "both are archived");
        }
        await database.ExecuteAsync($"UPDATE outbox_archive SET published_at = {database.Time(TimeSpan.FromDays(-8))} WHERE sequence = 1");
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var log = new TestLog();
        var source = new RelaySource { Name = "tests", Dialect = engine, DataSource = database.DataSource, Transport = new InMemoryTransport() };
        using var stop = new CancellationTokenSource();
        var retention = new ArchiveRetention(source, time, log.CreateLogger("Retention")).RunAsync(stop.Token);

        time.Advance(TimeSpan.FromMinutes(1));

        await log.FirstAsync("removed 1 archived rows");
        Assert.That(await database.CountAsync("outbox_archive"), Is.EqualTo(1));
        await stop.CancelAsync();
        Assert.That(async () => await retention, Throws.InstanceOf<OperationCanceledException>());
    }
}
