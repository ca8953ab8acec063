using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;
using Outbox;

namespace Broker.Tests.EndToEnd;

/// <summary>What the relay gives up, what then waits, and how an operator lets it go on (G3, G6, G7, G8).</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class DeadLetterTests(SqlDialect engine)
{
    private TestDatabase _database = null!;
    private TestLog _log = null!;
    private InMemoryTransport _transport = null!;
    private Collector _collector = null!;

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(engine);
        (_log, _transport) = (new TestLog(), new InMemoryTransport());
        _collector = await Collector.StartAsync(_transport, types: "tests.good.v1");
    }

    [TearDown]
    public async Task Close()
    {
        if (_collector is not null)
            await _collector.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task A_row_that_cannot_be_read_is_set_aside_after_its_attempts_and_its_key_waits_while_others_flow()
    {
        await InsertPoisonAsync("poison");
        await InsertAsync("poison");
        await InsertAsync("poison");
        await using var drain = await StartAsync();

        await _log.FirstAsync("is set aside in dead_letters after 3 attempts: its headers are not a JSON object of strings. The later rows of its key wait");
        await InsertAsync("poison");
        await InsertAsync("other");
        await InsertAsync(null);

        await _collector.ReachAsync(2);
        Assert.That(_collector.Applied("poison"), Is.Empty);
        await Eventually.IsTrueAsync(
            () => Task.FromResult(drain.Blocked is [{ State: "dead-letter", Key: "poison", Type: "tests.good.v1", Waiting: 3, Reason: var reason }] && reason.Contains("headers", StringComparison.Ordinal)),
            "what waits, and why, can be seen");
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 3, "only the rows behind it stay in the outbox");
    }

    [Test]
    public async Task A_mended_and_redriven_row_goes_before_the_rows_that_waited_for_it()
    {
        var poison = await InsertPoisonAsync("poison");
        List<Guid> expected = [poison, await InsertAsync("poison"), await InsertAsync("poison")];
        await using var drain = await StartAsync();
        await _log.FirstAsync("is set aside in dead_letters");
        expected.Add(await InsertAsync("poison"));
        await _database.ExecuteAsync("UPDATE dead_letters SET headers = NULL");

        Assert.That(await Letters.RedriveAsync(new DeadLetterDesk.Filter(Key: "poison"), null, CancellationToken.None), Is.EqualTo(1));

        await _collector.ReachAsync(4);
        Assert.That(_collector.Applied("poison"), Is.EqualTo(expected));
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all have left");
        expected.Add(await InsertAsync("poison"));
        await _collector.ReachAsync(5);
        Assert.That(_collector.Applied("poison"), Is.EqualTo(expected), "the key goes on as any other");
        Assert.That(await _database.CountAsync("dead_letters"), Is.Zero);
    }

    [Test]
    public async Task A_redriven_row_that_fails_again_blocks_its_key_again()
    {
        await InsertPoisonAsync("poison");
        var behind = await InsertAsync("poison");
        await using var drain = await StartAsync();
        await _log.FirstAsync("is set aside in dead_letters");

        await Letters.RedriveAsync(new DeadLetterDesk.Filter(), null, CancellationToken.None);
        await Eventually.EqualsAsync(() => _database.CountAsync("dead_letters WHERE state = 'blocking'"), 1, "it is set aside again");
        Assert.That(_collector.Applied("poison"), Is.Empty);

        await Letters.DiscardAsync(new DeadLetterDesk.Filter(), "because", CancellationToken.None);
        await _collector.ReachAsync(1);
        Assert.That(_collector.Applied("poison"), Is.EqualTo(new[] { behind }));
        var row = (await _database.QueryAsync("SELECT state, error FROM dead_letters")).Single();
        Assert.That(row[0], Is.EqualTo("discarded"));
        Assert.That(row[1], Does.StartWith("discarded by operator at ").And.EndWith(": because"));
    }

    [Test]
    public async Task A_blocked_key_waits_for_the_next_relay_too()
    {
        await InsertPoisonAsync("poison");
        var behind = await InsertAsync("poison");
        await using (await StartAsync())
            await _log.FirstAsync("is set aside in dead_letters");

        await using var second = await StartAsync();
        await _log.FirstAsync("1 keys wait for an operator");
        var other = await InsertAsync("other");
        await _collector.ReachAsync(1);
        Assert.That(_collector.Arrived.Select(a => a.Id), Is.EqualTo(new[] { other }));

        await Letters.DiscardAsync(new DeadLetterDesk.Filter(Id: 1), "because", CancellationToken.None);
        await _collector.ReachAsync(2);
        Assert.That(_collector.Applied("poison"), Is.EqualTo(new[] { behind }));
    }

    [Test]
    public async Task A_row_redriven_while_no_relay_runs_goes_first_when_one_does()
    {
        var poison = await InsertPoisonAsync("poison");
        var behind = await InsertAsync("poison");
        await using (await StartAsync())
            await _log.FirstAsync("is set aside in dead_letters");
        await _database.ExecuteAsync("UPDATE dead_letters SET headers = NULL");
        await Letters.RedriveAsync(new DeadLetterDesk.Filter(), null, CancellationToken.None);

        await using var second = await StartAsync();

        await _collector.ReachAsync(2);
        Assert.That(_collector.Applied("poison"), Is.EqualTo(new[] { poison, behind }));
    }

    [Test]
    public async Task A_type_whose_keys_go_on_leaves_a_gap_and_is_redriven_after_them()
    {
        var poison = await InsertPoisonAsync("k");
        var behind = await InsertAsync("k");
        var options = Quick();
        options.OnDeadLetterByType["tests.good.v1"] = DeadLetterPolicy.Continue;
        await using var drain = await StartAsync(options);
        await _collector.ReachAsync(1);
        await Eventually.EqualsAsync(() => _database.CountAsync("dead_letters WHERE state = 'dead'"), 1, "it is set aside without blocking");
        await _database.ExecuteAsync("UPDATE dead_letters SET headers = NULL");

        await Letters.RedriveAsync(new DeadLetterDesk.Filter(Type: "tests.good.v1"), null, CancellationToken.None);

        await _collector.ReachAsync(2);
        Assert.That(_collector.Applied("k"), Is.EqualTo(new[] { behind, poison }));
    }

    [Test]
    public async Task Rows_that_no_queue_wants_are_set_aside_only_after_the_time_for_it_and_in_their_order()
    {
        for (var i = 0; i < 5; i++)
            await InsertAsync(null, "tests.unbound.v1");
        var options = Quick();
        options.UnroutableTimeout = TimeSpan.FromMilliseconds(300);
        await using var drain = await StartAsync(options);

        await _log.FirstAsync("rows of type 'tests.unbound.v1' are set aside in dead_letters: no queue is bound");

        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero);
        Assert.That((await _database.QueryAsync("SELECT sequence FROM dead_letters ORDER BY id")).Select(r => long.Parse(r[0]!, System.Globalization.CultureInfo.InvariantCulture)), Is.Ordered.Ascending.And.Exactly(5).Items);
        Assert.That(await _database.CountAsync("dead_letters WHERE attempts > 1"), Is.EqualTo(5), "they were tried again, one for all");
    }

    [Test]
    public async Task Rows_that_no_queue_wants_cost_one_try_for_all_of_them()
    {
        const int rows = 500;
        await using (var connection = await _database.DataSource.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            for (var i = 0; i < rows; i++)
                await _database.InsertAsync(type: "tests.unbound.v1", transaction: transaction);
            await transaction.CommitAsync();
        }
        var tries = 0;
        var transport = new ScriptedTransport(envelope =>
        {
            Interlocked.Increment(ref tries);
            return PublishOutcome.Unroutable;
        });
        await using var drain = await Drain.StartAsync(_database, transport, options: new RelayOptions { RetryDelay = TimeSpan.FromSeconds(30), MaxRetryDelay = TimeSpan.FromSeconds(30) }, log: _log);

        await _log.FirstAsync("cannot be published");
        await Eventually.IsTrueAsync(() => Task.FromResult(Volatile.Read(ref tries) > 0), "it is tried");
        await drain.StopAsync();

        Assert.That(tries, Is.LessThanOrEqualTo(rows), "none was tried twice within the delay");
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(rows));
    }

    [Test]
    public async Task What_is_tried_again_can_be_seen_with_its_reason_and_what_waits_behind_it()
    {
        await InsertPoisonAsync("poison");
        await InsertAsync("poison");
        await InsertAsync(null, "tests.unbound.v1");
        var options = Quick();
        options.MaxAttempts = 1_000_000;
        await using var drain = await StartAsync(options);

        await Eventually.IsTrueAsync(
            () => Task.FromResult(drain.Blocked.Any(b => b is { State: "retrying", Key: "poison", Waiting: 2 }) && drain.Blocked.Any(b => b is { State: "type", Type: "tests.unbound.v1", Waiting: 1 })),
            "both are shown");
        Assert.That(RelayStatus.Read(RelayStatus.Write(drain.Blocked)), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task An_outage_uses_up_no_attempt_and_makes_no_dead_letter([Values(PublishOutcome.Nacked, null)] PublishOutcome? outcome)
    {
        var tries = 0;
        await _database.InsertAsync(key: "k");
        var transport = new ScriptedTransport(_ => Interlocked.Increment(ref tries) <= 12 ? outcome : PublishOutcome.Confirmed);
        var options = Quick();
        (options.MaxAttempts, options.UnroutableTimeout) = (1, TimeSpan.Zero);
        await using var drain = await Drain.StartAsync(_database, transport, options: options, time: new HurriedTime(20));

        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "it is published in the end");

        Assert.That((tries, await _database.CountAsync("dead_letters")), Is.EqualTo((13, 0L)));
    }

    [Test]
    public async Task A_row_that_cannot_be_read_is_tried_no_more_often_than_its_attempts()
    {
        await InsertPoisonAsync(null);
        var fetched = 0;
        var steps = new TestSteps();
        steps.On("moving", () =>
        {
            Interlocked.Increment(ref fetched);
            return Task.CompletedTask;
        });
        await using var drain = await Drain.StartAsync(_database, _transport, steps, Quick(), _log);
        await Eventually.EqualsAsync(() => _database.CountAsync("dead_letters"), 1, "it is set aside");
        await InsertAsync(null);
        await _collector.ReachAsync(1);

        Assert.That(fetched, Is.EqualTo(1), "it is moved once");
        Assert.That(_log.Entries.Count(l => l.Message.Contains("cannot be published", StringComparison.Ordinal)), Is.EqualTo(2), "two failed attempts before the third and last");
    }

    [TestCase("moving")]
    [TestCase("moved")]
    public async Task A_relay_that_dies_while_it_sets_a_row_aside_leaves_it_in_one_place(string step)
    {
        await InsertPoisonAsync("poison");
        await InsertAsync("poison");
        var steps = new TestSteps();
        steps.On(step, () => throw new InvalidOperationException("died"));
        var first = await Drain.StartAsync(_database, _transport, steps, Quick());
        Assert.That(async () => await first.Ended.WaitAsync(TimeSpan.FromSeconds(60)), Throws.InvalidOperationException);
        await first.DieAsync(_database);
        Assert.That(await _database.CountAsync("outbox_messages") + await _database.CountAsync("dead_letters"), Is.EqualTo(2));

        await using var second = await StartAsync();

        await Eventually.EqualsAsync(() => _database.CountAsync("dead_letters WHERE state = 'blocking'"), 1, "the poison row is set aside");
        await InsertAsync("other");
        await _collector.ReachAsync(1);
        Assert.That(_collector.Applied("poison"), Is.Empty);
        Assert.That(await _database.CountAsync("outbox_messages WHERE partition_key = 'poison'"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_row_that_is_deleted_while_it_is_tried_again_is_forgotten_and_its_key_goes_on()
    {
        await InsertPoisonAsync("poison");
        var behind = await InsertAsync("poison");
        var options = Quick();
        options.MaxAttempts = 1_000;
        await using var drain = await StartAsync(options);
        await _log.FirstAsync("cannot be published");

        await _database.ExecuteAsync("DELETE FROM outbox_messages WHERE headers IS NOT NULL");

        await _collector.ReachAsync(1);
        Assert.That(_collector.Applied("poison"), Is.EqualTo(new[] { behind }));
        Assert.That(await _database.CountAsync("dead_letters"), Is.Zero);
    }

    private DeadLetterDesk Letters => new(_database.DataSource, engine, "operator");

    private static RelayOptions Quick() => new()
    {
        MaxAttempts = 3,
        RetryDelay = TimeSpan.FromMilliseconds(20),
        MaxRetryDelay = TimeSpan.FromMilliseconds(50),
        DrainTimeout = TimeSpan.FromMilliseconds(200),
    };

    private Task<Drain> StartAsync(RelayOptions? options = null) => Drain.StartAsync(_database, _transport, options: options ?? Quick(), log: _log);

    private Task<Guid> InsertAsync(string? key, string type = "tests.good.v1") => _database.InsertAsync(type, key);

    private async Task<Guid> InsertPoisonAsync(string? key)
    {
        var id = Guid.CreateVersion7();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command("INSERT INTO outbox_messages (message_id, type, partition_key, headers, body) VALUES (@id, 'tests.good.v1', @key, 'not json', @body)")
            .With("id", id).With("key", key, System.Data.DbType.String).With("body", Array.Empty<byte>()).ExecuteAsync(CancellationToken.None);
        return id;
    }
}
