using Broker.Relay;
using Broker.Tests.Support;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Messages that are told by the numbers of their keys: one row for each key, no number twice, none before the one that comes first, and a gap that shows.</summary>
[TestFixtureSource(typeof(SqlDialect), nameof(SqlDialect.All))]
[Parallelizable(ParallelScope.Self)]
internal sealed class KeySequenceTests(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ConsumerBench _bench = null!;

    private DeadLetterDesk Desk => new(_bench.Database.DataSource, dialect, "anna@desk");

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(dialect == SqlDialect.Sqlite ? TestTransport.InMemory : TestTransport.RabbitMq, dialect);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Whatever_the_order_of_arrival_each_number_takes_effect_once_and_after_the_one_before([Values(1, 20)] int batch)
    {
        var random = new Random(20261127);
        var messages = (from key in (string[])["a", "b", "c"] from number in Enumerable.Range(1, 12) select (Key: key, Number: number)).ToList();
        var copies = messages.Concat(messages.Where(_ => random.Next(3) == 0)).OrderBy(_ => random.Next()).ToList();
        // Two processes, each with several at once, and a handler that fails now and then.
        var calls = 0;
        _bench.Script.Then = (_, _, _) => Interlocked.Increment(ref calls) % 9 == 0 ? throw new InvalidOperationException("now and then") : Task.CompletedTask;
        await using var first = await StartAsync(batch, c => c.InAnyOrder(4));
        await using var second = await StartAsync(batch, c => c.InAnyOrder(4));
        var ids = messages.ToDictionary(m => m, _ => Guid.CreateVersion7());

        foreach (var message in copies)
            await PublishAsync(message.Key, message.Number, ids[message]);

        await _bench.EffectsBecomeAsync([.. messages.Select(m => $"{m.Key}{m.Number}")]);
        await _bench.DeferredBecomeAsync();
        foreach (var key in (string[])["a", "b", "c"])
            Assert.That(OrderOfEffects(key), Is.EqualTo(Enumerable.Range(1, 12).Select(n => $"{key}{n}")), key);
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.Zero, "no row for each message");
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 12 -", "b 12 -", "c 12 -" }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
    }

    [Test]
    public async Task A_gap_is_named_with_the_number_that_is_missing_and_closes_when_that_comes([Values(1, 20)] int batch)
    {
        await using var host = await StartAsync(batch);
        await PublishAsync("a", 1);
        await PublishAsync("a", 3);
        await PublishAsync("a", 4);
        await PublishAsync("b", 1);

        await _bench.EffectsBecomeAsync("a1", "b1");
        await _bench.DeferredBecomeAsync("a3 gap", "a4 gap");
        var gap = (await GapsAsync()).Single();
        Assert.That((gap.Consumer, gap.Source, gap.Key, gap.Missing, gap.Waiting), Is.EqualTo(("stock", "orders", "a", 2L, 2L)));
        Assert.That(gap.Since, Is.InRange(TimeSpan.Zero, TimeSpan.FromMinutes(5)));
        Assert.That((await _bench.Database.QueryAsync("SELECT reason FROM deferred_messages ORDER BY id")).Select(r => r[0]), Is.All.EqualTo("waits for number 2 of its key"));

        await PublishAsync("a", 2);

        await _bench.EffectsBecomeAsync("a1", "a2", "a3", "a4", "b1");
        Assert.That(OrderOfEffects("a"), Is.EqualTo(new[] { "a1", "a2", "a3", "a4" }));
        Assert.That(await GapsAsync(), Is.Empty);
    }

    [Test]
    public async Task A_number_that_never_comes_makes_a_dead_letter_whose_redrive_goes_on_without_it([Values(1, 20)] int batch)
    {
        await using var host = await StartAsync(batch, c => c.Options.GapTimeout = TimeSpan.FromMilliseconds(300));
        await PublishAsync("a", 1);
        await PublishAsync("a", 4);
        await PublishAsync("a", 5);
        await _bench.DeferredBecomeAsync("a4 dead", "a5 gap");
        var letter = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None)).Single();
        Assert.That((letter.Blocks, letter.Key), Is.EqualTo((true, "a")));
        Assert.That(letter.Reason, Does.Contain("waits for number 2 of its key since 00:00:00.3000000, and that has not come"));

        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(letter.Id), "lost in a restore", None), Is.EqualTo(1));

        await _bench.EffectsBecomeAsync("a1", "a4", "a5");
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 5 2-3" }));
        await PublishAsync("a", 3);
        var late = (await _bench.DeadLettersBecomeAsync(1)).Single();
        Assert.That(late[1], Does.Contain("number 3 of its key, and the consumer has gone on without it: it stands at 5"), "G6: not taken for a copy");
        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(), "better late", None), Is.EqualTo(1));
        await _bench.EffectsBecomeAsync("a1", "a3", "a4", "a5");
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 5 2" }));
    }

    [Test]
    public async Task A_number_that_comes_while_its_successor_is_a_dead_letter_takes_effect_and_the_redrive_follows()
    {
        await using var host = await StartAsync(1, c => c.Options.GapTimeout = TimeSpan.FromMilliseconds(100));
        await PublishAsync("a", 2);
        await _bench.DeferredBecomeAsync("a2 dead");

        await PublishAsync("a", 1);
        await _bench.EffectsBecomeAsync("a1");
        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(), null, None), Is.EqualTo(1));

        await _bench.EffectsBecomeAsync("a1", "a2");
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 2 -" }));
    }

    [Test]
    public async Task A_discarded_dead_letter_lets_the_key_go_on_after_it([Values(1, 20)] int batch)
    {
        _bench.Script.Then = (number, _, _) => number == "a2" ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using var host = await StartAsync(batch, c => c.Options.MaxAttempts = 2);
        var ids = new[] { Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7() };
        for (var number = 1; number <= 3; number++)
            await PublishAsync("a", number, ids[number - 1]);
        await _bench.DeferredBecomeAsync("a2 dead", "a3 gap");
        Assert.That(await GapsAsync(), Is.Empty, "its predecessor is not missing but waits for an operator");

        Assert.That(await Desk.DiscardAsync(new DeadLetterDesk.Filter(), "test data", None), Is.EqualTo(1));

        await _bench.EffectsBecomeAsync("a1", "a3");
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 3 -" }));
        await PublishAsync("a", 2, ids[1]);
        await PublishAsync("a", 4);
        await _bench.EffectsBecomeAsync("a1", "a3", "a4");
        Assert.That(await _bench.Database.ScalarAsync<string>("SELECT state FROM dead_letters"), Is.EqualTo("discarded"), "a copy of what was discarded changes nothing");
    }

    [Test]
    public async Task With_the_policy_to_continue_no_number_is_waited_for_in_vain([Values(1, 20)] int batch)
    {
        _bench.Script.Then = (number, _, _) => number == "a2" ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using var host = await StartAsync(batch, c =>
        {
            (c.Options.MaxAttempts, c.Options.OnDeadLetter, c.Options.GapTimeout) = (2, DeadLetterPolicy.Continue, TimeSpan.FromMilliseconds(200));
        });
        foreach (var number in (int[])[1, 2, 3, 6, 7])
            await PublishAsync("a", number);

        await _bench.EffectsBecomeAsync("a1", "a3", "a7");
        await _bench.DeadLettersBecomeAsync(2);
        await _bench.DeferredBecomeAsync();
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 7 2,4-6" }));
        _bench.Script.Then = (_, _, _) => Task.CompletedTask;
        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(), null, None), Is.EqualTo(2));
        await _bench.EffectsBecomeAsync("a1", "a2", "a3", "a6", "a7");
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 7 4-5" }));
    }

    [Test]
    public async Task What_is_refused_or_cannot_be_read_holds_nothing_up_even_before_its_turn([Values(1, 20)] int batch)
    {
        _bench.Script.Then = (number, _, _) => number == "a3" ? throw new RejectMessageException("never") : Task.CompletedTask;
        await using var host = await StartAsync(batch);
        await _bench.PublishAsync("\\q", key: "a", sequence: 2);
        await _bench.DeadLettersBecomeAsync(1);
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 0 2" }));

        foreach (var number in (int[])[1, 3, 4])
            await PublishAsync("a", number);

        await _bench.EffectsBecomeAsync("a1", "a4");
        await _bench.DeadLettersBecomeAsync(2);
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 4 2-3" }));
    }

    [Test]
    public async Task A_type_that_is_passed_over_takes_its_number_with_it([Values(1, 20)] int batch)
    {
        // No look by the clock would mend a wake-up that is missing.
        await using var host = await StartAsync(batch, c => (c.Options.IgnoreUnknownTypes, c.Options.RetryLook) = (true, TimeSpan.FromMinutes(10)));
        foreach (var number in (int[])[1, 3, 2, 5, 4])
            await _bench.PublishAsync($"a{number}", "a", sequence: number, type: number is 2 or 5 ? "orders.nobody-knows-it.v1" : null);

        await _bench.EffectsBecomeAsync("a1", "a3", "a4");
        await _bench.DeferredBecomeAsync();
        await Eventually.EqualsAsync(async () => string.Join(", ", await KeysAsync()), "a 5 2,5", "how far the key has come");
    }

    [Test]
    public async Task A_redrive_of_what_was_refused_before_its_turn_waits_for_its_turn([Values(1, 20)] int batch)
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "a2" && !isMended ? throw new RejectMessageException("not yet known") : Task.CompletedTask;
        await using var host = await StartAsync(batch);
        await PublishAsync("a", 3);
        await _bench.PublishAsync("\\q", key: "a", sequence: 2);
        var letter = (await _bench.DeadLettersBecomeAsync(1)).Single();
        Assert.That(letter[1], Is.Not.Empty);
        isMended = true;
        var id = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None)).Single().Id;
        Assert.That(await Desk.RedriveEditedAsync(id, "{\"number\":\"a2\"}"u8.ToArray(), null, None), Is.EqualTo(1));
        await Eventually.EqualsAsync(async () => string.Join(", ", (await _bench.Database.QueryAsync("SELECT key_sequence, state FROM deferred_messages ORDER BY key_sequence")).Select(r => $"{r[0]} {r[1]}")), "2 gap, 3 gap", "the deferred messages");

        await PublishAsync("a", 1);

        await _bench.EffectsBecomeAsync("a1", "a2", "a3");
        Assert.That(OrderOfEffects("a"), Is.EqualTo(new[] { "a1", "a2", "a3" }));
        Assert.That(await KeysAsync(), Is.EqualTo(new[] { "a 3 -" }));
    }

    [Test]
    public async Task A_copy_that_cannot_be_read_leaves_no_redrive_behind_that_waits_for_its_turn()
    {
        await using var host = await StartAsync(1);
        var id = await _bench.PublishAsync("\\q", key: "a", sequence: 2);
        await _bench.DeadLettersBecomeAsync(1);
        var letter = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None)).Single().Id;
        Assert.That(await Desk.RedriveEditedAsync(letter, "{\"number\":\"a2\"}"u8.ToArray(), null, None), Is.EqualTo(1));
        await Eventually.EqualsAsync(async () => string.Join(", ", (await _bench.Database.QueryAsync("SELECT state FROM deferred_messages")).Select(r => r[0])), "gap", "the redrive waits");
        await _bench.PublishAsync("\\q", key: "a", sequence: 2, id: id);
        await _bench.DeadLettersBecomeAsync(1);

        await PublishAsync("a", 1);

        await _bench.EffectsBecomeAsync("a1", "a2");
    }

    [Test]
    public async Task Neither_redrive_nor_discard_goes_past_a_number_that_is_deferred([Values] bool discards)
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "a1" && !isMended ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await using var host = await StartAsync(1, c => (c.Options.GapTimeout, c.Options.MaxAttempts) = (TimeSpan.FromMilliseconds(100), 1_000));
        await SecondIsDeadAndFirstFailsAsync();

        _ = discards ? await Desk.DiscardAsync(new DeadLetterDesk.Filter(), "test", None) : await Desk.RedriveAsync(new DeadLetterDesk.Filter(), null, None);
        await _bench.Script.CalledAsync("a1");
        Assert.That(_bench.Script.Calls.Select(c => c.Number), Is.All.EqualTo("a1"), "it has its turn yet");
        isMended = true;

        await _bench.EffectsBecomeAsync(discards ? ["a1", "a3"] : ["a1", "a2", "a3"]);
        Assert.That(OrderOfEffects("a"), Is.EqualTo(discards ? ["a1", "a3"] : (string[])["a1", "a2", "a3"]));
    }

    private async Task SecondIsDeadAndFirstFailsAsync()
    {
        await PublishAsync("a", 2);
        await _bench.DeferredBecomeAsync("a2 dead");
        await PublishAsync("a", 1);
        await _bench.Script.CalledAsync("a1");
        await PublishAsync("a", 3);
        await _bench.DeferredBecomeAsync("a2 dead", "a1 failed", "a3 gap");
    }

    [Test]
    public async Task A_redrive_that_cannot_be_read_goes_past_no_number_that_is_deferred()
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "a1" && !isMended ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await using var host = await StartAsync(1, c => (c.Options.GapTimeout, c.Options.MaxAttempts) = (TimeSpan.FromMilliseconds(100), 1_000));
        await SecondIsDeadAndFirstFailsAsync();
        var id = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None)).Single().Id;

        Assert.That(await Desk.RedriveEditedAsync(id, "nonsense"u8.ToArray(), null, None), Is.EqualTo(1));

        await Eventually.IsTrueAsync(async () => (await _bench.DeadLettersAsync()) is [var letter] && letter[1]!.Contains("not valid JSON", StringComparison.Ordinal), "it cannot be read");
        Assert.That(_bench.Script.Calls.Select(c => c.Number), Is.All.EqualTo("a1"), "it has its turn yet");
        isMended = true;
        await _bench.EffectsBecomeAsync("a1", "a3");
        Assert.That(OrderOfEffects("a"), Is.EqualTo(new[] { "a1", "a3" }));
    }

    [Test]
    public async Task A_gap_behind_a_deferred_message_still_ends_by_the_clock()
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "a1" && !isMended ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await using var host = await StartAsync(1, c => (c.Options.GapTimeout, c.Options.MaxAttempts) = (TimeSpan.FromMilliseconds(200), 1_000));
        await PublishAsync("a", 1);
        await _bench.Script.CalledAsync("a1");
        await PublishAsync("a", 3);
        await Eventually.IsTrueAsync(() => Task.FromResult(_bench.Script.CallsOf("a1") > 20), "3 has waited for longer than its time while 1 was tried");
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty, "1 is not missing");
        isMended = true;

        var letter = (await _bench.DeadLettersBecomeAsync(1)).Single();

        Assert.That(letter[1], Does.Contain("waits for number 2"));
    }

    [Test]
    public async Task A_message_without_a_number_goes_on_after_what_waits_for_one()
    {
        await using var host = await StartAsync(1, c => c.Options.RetryLook = TimeSpan.FromMinutes(10));
        await PublishAsync("a", 1);
        await PublishAsync("a", 3);
        await _bench.DeferredBecomeAsync("a3 gap");
        await _bench.PublishAsync("ax", key: "a");
        await _bench.DeferredBecomeAsync("a3 gap", "ax behind");

        await PublishAsync("a", 2);

        await _bench.EffectsBecomeAsync("a1", "a2", "a3", "ax");
    }

    [Test]
    public async Task Keys_that_differ_in_a_space_at_their_ends_are_different_keys()
    {
        await using var host = await StartAsync(1);
        await _bench.PublishAsync("a1", key: "a", sequence: 1);
        await _bench.PublishAsync("b1", key: "a ", sequence: 1);
        await _bench.PublishAsync("b2", key: "a ", sequence: 2);

        await _bench.EffectsBecomeAsync("a1", "b1", "b2");
    }

    [Test]
    public async Task A_consumer_that_joins_later_begins_with_what_comes_first_if_it_is_told_to()
    {
        await using var host = await StartAsync(1, c => c.Options.KeySequenceStart = KeySequenceStart.FirstSeen);
        await PublishAsync("a", 57);
        await PublishAsync("a", 58);
        await PublishAsync("a", 60);

        await _bench.EffectsBecomeAsync("a57", "a58");
        await _bench.DeferredBecomeAsync("a60 gap");
    }

    [Test]
    public async Task Messages_without_a_number_are_told_by_their_ids_and_keep_the_order_of_their_keys([Values(1, 20)] int batch)
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "x1" && !isMended ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await using var host = await StartAsync(batch, c => c.Options.MaxAttempts = 1_000);
        await _bench.PublishAsync("x1", key: "x");
        await _bench.PublishAsync("x2", key: "x");
        await _bench.PublishAsync("y", times: 3);
        await PublishAsync("a", 1);
        await _bench.EffectsBecomeAsync("a1", "y");
        isMended = true;

        await _bench.EffectsBecomeAsync("a1", "x1", "x2", "y");
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.EqualTo(3));
    }

    [Test]
    public async Task What_waited_by_numbers_goes_on_by_place_when_the_setting_is_taken_back()
    {
        await using (await StartAsync(1))
        {
            await PublishAsync("a", 2);
            await PublishAsync("a", 3);
            await _bench.DeferredBecomeAsync("a2 gap", "a3 gap");
        }

        await using var host = await _bench.StartAsync();

        await _bench.EffectsBecomeAsync("a2", "a3");
    }

    private Task<TestHost> StartAsync(int batch, Action<ConsumerBuilder>? configure = null) => _bench.StartAsync(consumer =>
    {
        consumer.Batch(batch).ByKeySequence();
        configure?.Invoke(consumer);
    });

    private Task<Guid> PublishAsync(string key, int number, Guid? id = null) => _bench.PublishAsync($"{key}{number}", key, sequence: number, id: id);

    private async Task<IReadOnlyList<KeyGap>> GapsAsync()
    {
        await using var connection = await _bench.Database.DataSource.OpenConnectionAsync();
        return await KeyGap.ReadAsync(connection, "stock", 10, None);
    }

    /// <summary>How far each key has come, and what it has passed over.</summary>
    private async Task<string[]> KeysAsync() =>
        [.. (await _bench.Database.QueryAsync("SELECT partition_key, last_sequence, skipped FROM inbox_keys WHERE consumer = 'stock' AND source = 'orders' ORDER BY partition_key")).Select(r => $"{r[0]} {r[1]} {r[2] ?? "-"}")];

    /// <summary>The messages of a key in the order of their last calls: those that took effect, one after another.</summary>
    private string[] OrderOfEffects(string key) =>
        [.. _bench.Script.Calls.Select((c, place) => (c.Number, Place: place)).Where(c => c.Number.StartsWith(key, StringComparison.Ordinal)).GroupBy(c => c.Number).OrderBy(g => g.Max(c => c.Place)).Select(g => g.Key)];
}
