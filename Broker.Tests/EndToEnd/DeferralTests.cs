using System.Globalization;
using System.Text;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>What fails is kept in the consumer's own database: it survives the process and the broker, keeps the order of its key, and waits for an operator in the end.</summary>
[TestFixtureSource(typeof(SqlDialect), nameof(SqlDialect.All))]
[Parallelizable(ParallelScope.Self)]
internal sealed class DeferralTests(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ConsumerBench _bench = null!;

    private DeadLetterDesk Desk => new(_bench.Database.DataSource, dialect, "anna@desk");

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(dialect == SqlDialect.Sqlite ? TestTransport.InMemory : TestTransport.RabbitMq, dialect);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Attempts_are_counted_on_by_the_next_process([Values(1, 50)] int batch)
    {
        _bench.Script.Then = (_, _, _) => throw new InvalidOperationException("not yet");
        await using (var host = await _bench.StartAsync(c =>
        {
            c.Batch(batch);
            (c.Options.RetryDelay, c.Options.MaxRetryDelay) = (TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        }))
        {
            await _bench.PublishAsync("1");
            await _bench.DeferredBecomeAsync("1 failed");
            var row = (await _bench.Database.QueryAsync("SELECT consumer, attempts, reason, error, partition_key FROM deferred_messages")).Single();
            Assert.That((row[0], row[1], row[2], row[4]), Is.EqualTo(("stock", "1", "InvalidOperationException: not yet", (string?)null)));
            Assert.That(row[3], Does.Contain(nameof(HandlerScript)), "the error shows where it happened");
        }
        await MakeDueAsync();
        _bench.Script.Then = (_, _, _) => Task.CompletedTask;

        await using var next = await _bench.StartAsync(c => c.Batch(batch));

        await _bench.EffectsBecomeAsync("1");
        Assert.That(_bench.Script.Calls.Last().Context.Attempt, Is.EqualTo(2));
        await _bench.DeferredBecomeAsync();
        await _bench.StopsWithAnEmptyQueueAsync(next);
    }

    [Test]
    public async Task What_fails_again_and_again_shows_the_error_of_its_last_reason()
    {
        _bench.Script.Then = (_, context, _) => throw new InvalidOperationException(context.Attempt < 3 ? "no such article" : "no such customer");
        await using var host = await StartAsync(1, c => c.Options.MaxAttempts = 1_000);

        await _bench.PublishAsync("1");
        await Eventually.IsTrueAsync(() => Task.FromResult(_bench.Script.CallsOf("1") > 6), "it is tried again and again");

        var row = (await _bench.Database.QueryAsync("SELECT reason, error FROM deferred_messages")).Single();
        Assert.That(row[0], Is.EqualTo("InvalidOperationException: no such customer"));
        Assert.That(row[1], Does.Contain("no such customer").And.Contain(nameof(HandlerScript)));
    }

    [Test]
    public async Task A_dead_letters_key_waits_in_order_until_it_is_redriven([Values(1, 50)] int batch)
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "a1" && !isMended ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using var host = await StartAsync(batch, c => c.Options.MaxAttempts = 2);

        foreach (var number in (string[])["a1", "a2", "b1", "a3", "b2", "c1"])
            await _bench.PublishAsync(number, key: number[..1]);
        await _bench.EffectsBecomeAsync("b1", "b2", "c1");
        await _bench.DeferredBecomeAsync("a1 dead", "a2 behind", "a3 behind");
        var letter = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None)).Single();
        Assert.That((letter.Blocks, letter.Consumer, letter.Key, letter.Attempts, letter.Reason), Is.EqualTo((true, "stock", "a", 2, "InvalidOperationException: no such article")));

        isMended = true;
        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(Consumer: "billing"), null, None), Is.Zero, "another consumer's");
        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(Consumer: "stock"), "article entered", None), Is.EqualTo(1));

        await _bench.EffectsBecomeAsync("a1", "a2", "a3", "b1", "b2", "c1");
        Assert.That(_bench.Script.Calls.Select(c => c.Number).Where(n => n[0] == 'a').TakeLast(3), Is.EqualTo(new[] { "a1", "a2", "a3" }));
        Assert.That(_bench.Script.Calls.Last(c => c.Number == "a1").Context.Attempt, Is.EqualTo(1), "attempts begin anew");
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        var act = (await Desk.HistoryAsync(null, 10, None)).Single();
        Assert.That((act.What, act.Actor, act.Reason, act.Consumer, act.Id), Is.EqualTo(("redriven", "anna@desk", "article entered", "stock", letter.Id)));
        await _bench.PublishAsync("a4", key: "a");
        await _bench.EffectsBecomeAsync("a1", "a2", "a3", "a4", "b1", "b2", "c1");
        await _bench.DeferredBecomeAsync();
    }

    [Test]
    public async Task A_discarded_dead_letter_lets_its_key_go_on_and_is_kept()
    {
        _bench.Script.Then = (number, _, _) => number == "a1" ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using var host = await StartAsync(1, c => c.Options.MaxAttempts = 1);
        await _bench.PublishAsync("a1", key: "a");
        await _bench.PublishAsync("a2", key: "a");
        await _bench.DeferredBecomeAsync("a1 dead", "a2 behind");

        Assert.That(await Desk.DiscardAsync(new DeadLetterDesk.Filter(Key: "a"), "test data", None), Is.EqualTo(1));

        await _bench.EffectsBecomeAsync("a2");
        await _bench.DeferredBecomeAsync();
        var row = (await _bench.Database.QueryAsync("SELECT state, error FROM dead_letters")).Single();
        Assert.That(row[0], Is.EqualTo("discarded"));
        Assert.That(row[1], Does.StartWith("discarded by anna@desk at ").And.EndWith(": test data"));
        Assert.That((await Desk.HistoryAsync(null, 10, None)).Select(a => (a.What, a.Reason)), Is.EqualTo(new[] { ("discarded", "test data") }));
        Assert.That(await Desk.RedriveAsync(new DeadLetterDesk.Filter(), null, None), Is.Zero, "it is closed");
    }

    [Test]
    public async Task A_dead_letter_is_redriven_with_another_body_and_the_first_one_is_kept()
    {
        await using var host = await StartAsync(1);
        await _bench.PublishAsync("\\q", key: "a");
        await _bench.PublishAsync("a2", key: "a");
        await _bench.EffectsBecomeAsync("a2");
        var letter = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None)).Single();
        Assert.That(letter.Blocks, Is.False, "nobody waits for what cannot be read");

        Assert.That(await Desk.RedriveEditedAsync(letter.Id, Encoding.UTF8.GetBytes("""{"number":"mended"}"""), "bad escape", None), Is.EqualTo(1));

        await _bench.EffectsBecomeAsync("a2", "mended");
        Assert.That((await Desk.HistoryAsync(letter.Id, 10, None)).Select(a => (a.What, a.Actor, a.Reason, a.KeepsBody)), Is.EqualTo(new[] { ("redriven", "anna@desk", "bad escape", false), ("edited", "anna@desk", "bad escape", true) }));
        var before = await _bench.Database.ScalarAsync<byte[]>("SELECT previous_body FROM dead_letter_actions WHERE action = 'edited'");
        Assert.That(Encoding.UTF8.GetString(before!), Is.EqualTo("""{"number":"\q"}"""));
    }

    [Test]
    public async Task Keys_go_on_after_a_dead_letter_where_that_is_wanted()
    {
        _bench.Script.Then = (number, _, _) => number == "a1" ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using var host = await StartAsync(1, c => (c.Options.MaxAttempts, c.Options.OnDeadLetter) = (2, DeadLetterPolicy.Continue));

        await _bench.PublishAsync("a1", key: "a");
        await _bench.PublishAsync("a2", key: "a");

        await _bench.EffectsBecomeAsync("a2");
        await _bench.DeadLettersBecomeAsync(1);
        await _bench.DeferredBecomeAsync();
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task Messages_of_a_key_that_fail_again_and_again_are_applied_once_each_and_in_their_order([Values(1, 20)] int batch, [Values(1, 4)] int concurrency)
    {
        const int keys = 12;
        const int perKey = 15;
        var random = new Random(11);
        var failures = Enumerable.Range(0, keys * perKey).Select(_ => random.Next(6) == 0 ? random.Next(1, 4) : 0).ToArray();
        var wrong = new System.Collections.Concurrent.ConcurrentQueue<string>();
        _bench.Script.Then = async (number, context, _) =>
        {
            var (key, place) = (number.Split('-')[0], int.Parse(number.Split('-')[1], CultureInfo.InvariantCulture));
            // What is committed or done in this transaction: all before it, and itself.
            await using var command = context.Transaction.Connection!.Command("SELECT count(*) FROM orders WHERE number LIKE @key", context.Transaction).With("key", key + "-%");
            var done = Convert.ToInt32(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
            if (done != place - 99)
                wrong.Enqueue($"{number} as number {done}");
            if (context.Attempt <= failures[(int.Parse(key, CultureInfo.InvariantCulture) * perKey) + place - 100])
                throw new InvalidOperationException("not yet");
        };
        await using var first = await StartAsync(batch, c => c.InOrderPerKey(dialect == SqlDialect.Sqlite ? 1 : concurrency));
        await using var second = await StartAsync(batch, c => c.InOrderPerKey(dialect == SqlDialect.Sqlite ? 1 : concurrency));

        await Task.WhenAll(Enumerable.Range(0, keys).Select(async key =>
        {
            for (var i = 0; i < perKey; i++)
                await _bench.PublishAsync($"{key}-{100 + i}", key: $"{key}", times: 1 + (i % 2));
        }));

        await _bench.EffectsBecomeAsync([.. Enumerable.Range(0, keys).SelectMany(key => Enumerable.Range(100, perKey).Select(i => $"{key}-{i}"))]);
        await _bench.DeferredBecomeAsync();
        Assert.That(wrong, Is.Empty);
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.EqualTo(keys * perKey));
    }

    [Test]
    public async Task A_row_that_was_read_twice_is_no_copy_of_itself()
    {
        var services = new ServiceCollection().AddSingleton(_bench.Script).AddTransient<OrderPlacedByAdoNetHandler>().BuildServiceProvider();
        await using var _ = services;
        var outbox = new OutboxRegistration(new OutboxOptions { Source = "stock" }, contextType: null, _ => _bench.Database.DataSource);
        outbox.Options.MessageTypes.Add<OrderPlaced>();
        var options = new ConsumerOptions { Name = ConsumerBench.Consumer, BatchSize = 10, RetryDelay = TimeSpan.FromTicks(1), MaxRetryDelay = TimeSpan.FromTicks(1) };
        var processor = new MessageProcessor(options, outbox, new Dictionary<string, MessageHandlerInvoker> { ["orders.order-placed.v1"] = MessageHandlerInvoker.For<OrderPlaced, OrderPlacedByAdoNetHandler>() }, services, new PreparedStatements(outbox.Dialect(services)));
        var delivery = new DeferredDelivery { MessageId = Guid.CreateVersion7().ToString("D"), Type = "orders.order-placed.v1", Body = """{"number":"1"}"""u8.ToArray(), Headers = new Dictionary<string, string> { ["cloudEvents:partitionkey"] = "a" } };
        _bench.Script.Then = (_, _, _) => throw new InvalidOperationException("not yet");

        Assert.That((await processor.ApplyAsync([new IncomingMessage(delivery), new IncomingMessage(delivery)], None)).Select(r => r.Outcome), Is.EqualTo(new[] { BatchOutcome.Failed, BatchOutcome.Known }), "a copy of a deferred message");
        Assert.That(await ApplyRowTwiceAsync(), Is.EqualTo(new[] { BatchOutcome.Failed, BatchOutcome.NotOurs }));
        Assert.That(await _bench.Database.CountAsync("deferred_messages"), Is.EqualTo(1), "it is still there");
        _bench.Script.Then = (_, _, _) => Task.CompletedTask;
        Assert.That(await ApplyRowTwiceAsync(), Is.EqualTo(new[] { BatchOutcome.Applied, BatchOutcome.NotOurs }));
        Assert.That((await _bench.EffectsAsync(), await _bench.Database.CountAsync("deferred_messages")), Is.EqualTo((new[] { "1" }, 0L)));

        async Task<IReadOnlyList<BatchOutcome>> ApplyRowTwiceAsync()
        {
            await using var connection = await _bench.Database.DataSource.OpenConnectionAsync();
            var rows = (await processor.Deferred.ListAsync(connection, [], 10, None)).Concat(await processor.Deferred.ListAsync(connection, [], 10, None));
            return [.. (await processor.ApplyAsync([.. rows.Select(r => r.Message)], None)).Select(r => r.Outcome)];
        }
    }

    [Test]
    public async Task A_broker_that_is_away_does_not_keep_deferred_messages_from_being_tried()
    {
        _bench.Script.Then = (_, _, _) => throw new InvalidOperationException("not yet");
        await using (await StartAsync(1, c => (c.Options.RetryDelay, c.Options.MaxRetryDelay) = (TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1))))
        {
            await _bench.PublishAsync("1", key: "a");
            await _bench.DeferredBecomeAsync("1 failed");
        }
        await MakeDueAsync();
        _bench.Script.Then = (_, _, _) => Task.CompletedTask;

        await using var host = TestHost.Build(services => services.AddSingleton(_bench.Script).AddOutbox("stock", _ => _bench.Database.DataSource, outbox =>
            outbox.UseTransport(_ => new AwayTransport(refused: null)).AddConsumer(ConsumerBench.Consumer, consumer =>
            {
                _bench.Quick(consumer);
                consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            })));
        var starting = host.StartAsync();

        await _bench.EffectsBecomeAsync("1");
        await _bench.DeferredBecomeAsync();
        await starting;
    }

    [Test]
    public async Task A_queue_that_is_refused_for_good_ends_the_consumer_with_the_reason()
    {
        await using var host = TestHost.Build(services => services.AddSingleton(_bench.Script).AddOutbox("stock", _ => _bench.Database.DataSource, outbox =>
            outbox.UseTransport(_ => new AwayTransport(new TransportException("no right to read the queue", isTransient: false))).AddConsumer(ConsumerBench.Consumer, consumer =>
            {
                _bench.Quick(consumer);
                consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            })));
        var service = host.Services.GetServices<IHostedService>().OfType<ConsumerService>().Single();

        await service.StartAsync(None);

        Assert.That(() => service.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(60)), Throws.TypeOf<TransportException>().With.Message.Contains("no right to read the queue"));
    }

    [TestCase("set back", 0)]
    [TestCase("setback committed", 1)]
    public async Task A_consumer_that_dies_while_it_defers_a_message_leaves_it_in_one_place(string step, int deferred)
    {
        _bench.Script.Then = (_, context, _) => context.Attempt == 1 ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        var died = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        ConsumerService? service = null;
        _bench.Steps.On(step, () =>
        {
            died.TrySetResult(service!.StopAsync(None));
            throw new OperationCanceledException();
        });
        await using (var host = await StartAsync(1))
        {
            service = host.Services.GetServices<IHostedService>().OfType<ConsumerService>().Single();
            await _bench.PublishAsync("1", key: "a");
            await (await died.Task.WaitAsync(TimeSpan.FromSeconds(60)));
        }
        Assert.That(await _bench.Database.CountAsync("deferred_messages"), Is.EqualTo(deferred));

        _bench.Steps = new TestSteps();
        await using var next = await StartAsync(1);
        await _bench.PublishAsync("2", key: "a");

        await _bench.EffectsBecomeAsync("1", "2");
        await _bench.DeferredBecomeAsync();
        Assert.That(_bench.Script.Calls.Last().Number, Is.EqualTo("2"), "the order of the key");
    }

    [Test]
    public async Task Processes_that_share_the_work_in_any_order_apply_each_deferred_message_once()
    {
        _bench.Script.Then = (_, context, _) => context.Attempt < 3 ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await using var first = await StartAsync(1, c => c.InAnyOrder(dialect == SqlDialect.Sqlite ? 1 : 4));
        await using var second = await StartAsync(20, c => c.InAnyOrder(1));

        var numbers = Enumerable.Range(100, 60).Select(i => $"{i}").ToArray();
        foreach (var number in numbers)
            await _bench.PublishAsync(number, key: number[..2]);

        await _bench.EffectsBecomeAsync(numbers);
        await _bench.DeferredBecomeAsync();
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
    }

    [Test]
    public async Task What_waited_in_order_is_found_when_order_is_no_longer_wanted()
    {
        _bench.Script.Then = (number, _, _) => number == "a1" ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using (await StartAsync(1, c => c.Options.MaxAttempts = 1))
        {
            await _bench.PublishAsync("a1", key: "a");
            await _bench.PublishAsync("a2", key: "a");
            await _bench.DeferredBecomeAsync("a1 dead", "a2 behind");
            await Eventually.EqualsAsync(() => _bench.Database.ScalarAsync<long>("SELECT count(*) FROM deferred_messages WHERE next_attempt_at IS NOT NULL"), 0, "those that are due");
        }

        // A queue keeps the arguments that it was declared with.
        await using var host = await StartAsync(1, c => c.InAnyOrder(1).Options.Queue = _bench.Queue + "-2");

        await _bench.EffectsBecomeAsync("a2");
    }

    [Test]
    public async Task A_long_key_and_odd_text_are_deferred_as_they_are()
    {
        _bench.Script.Then = (_, context, _) => context.Attempt < 2 ? throw new InvalidOperationException("odd \0 text \ud800") : Task.CompletedTask;
        await using var host = await StartAsync(1);
        var key = string.Concat(Enumerable.Repeat("schlüssel-𝄞-", 30));

        await _bench.PublishAsync("1", key: key);
        await _bench.PublishAsync("2", key: key);

        await _bench.EffectsBecomeAsync("1", "2");
        Assert.That(_bench.Script.Calls.Select(c => c.Context.PartitionKey).Distinct(), Is.EqualTo(new[] { key }));
    }

    /// <summary>A consumer by plain ADO.NET, on every engine.</summary>
    private Task<TestHost> StartAsync(int batch, Action<ConsumerBuilder>? configure = null) => _bench.StartAsync(services =>
        services.AddOutbox("stock", _ => _bench.Database.DataSource, outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>().Batch(batch);
            configure?.Invoke(consumer);
        })));

    private Task<int> MakeDueAsync() => _bench.Database.ExecuteAsync("UPDATE deferred_messages SET next_attempt_at = deferred_at");

    /// <summary>A broker that never answers, or refuses.</summary>
    private sealed class AwayTransport(TransportException? refused) : ITransport
    {
        public Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken) => throw new TransportException("away", isTransient: true);

        public async Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken)
        {
            if (refused is not null)
                throw refused;
            await Task.Delay(Timeout.Infinite, cancellationToken);
            throw new InvalidOperationException();
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
