using System.Collections.Concurrent;
using System.Globalization;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Many messages in one transaction: what one of them does must not show in the others.</summary>
[TestFixtureSource(typeof(SqlDialect), nameof(SqlDialect.All))]
internal sealed class BatchTests(SqlDialect dialect)
{
    private TaskCompletionSource _all = null!;
    private ConsumerBench _bench = null!;
    private int _commits;

    [SetUp]
    public async Task Prepare()
    {
        (_all, _commits) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), 0);
        _bench = await ConsumerBench.CreateAsync(dialect == SqlDialect.Sqlite ? TestTransport.InMemory : TestTransport.RabbitMq, dialect);
        _bench.Steps.On("committed", () =>
        {
            Interlocked.Increment(ref _commits);
            return Task.CompletedTask;
        });
    }

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task What_has_arrived_meanwhile_commits_as_one()
    {
        await using var host = await StartAndHoldAsync(c => c.Batch(100));
        for (var i = 0; i < 30; i++)
            await _bench.PublishAsync($"{i}", key: $"key-{i % 4}");
        _all.SetResult();

        await AppliedAsync(Enumerable.Range(0, 30).Select(i => $"{i}").Append("first"));
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.EqualTo(31));
        foreach (var key in Enumerable.Range(0, 4))
            Assert.That(_bench.Script.Calls.Where(c => c.Context.PartitionKey == $"key-{key}").Select(c => int.Parse(c.Number, CultureInfo.InvariantCulture)), Is.Ordered, $"order of key-{key}");
        // The commits are told of after they can be seen.
        await _bench.StopsWithAnEmptyQueueAsync(host);
        Assert.That(_commits, Is.LessThanOrEqualTo(4), "the first alone, the others together as they arrived");
    }

    [Test]
    public async Task A_lone_message_does_not_wait_for_others()
    {
        await using var host = await _bench.StartAsync(services =>
        {
            services.AddSingleton<TimeProvider>(new StoppedTime());
            AdoNet(_bench.Database.DataSource, c => c.Batch(500))(services);
        });

        await _bench.PublishAsync("1");

        await AppliedAsync(["1"]);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_batch_that_may_wait_gathers_what_comes_later()
    {
        await using var host = await _bench.StartAsync(c => c.Batch(3, linger: TimeSpan.FromSeconds(30)));

        foreach (var number in (string[])["1", "2", "3"])
            await _bench.PublishAsync(number);

        await AppliedAsync(["1", "2", "3"]);
        // The commit is told of after it can be seen.
        await _bench.StopsWithAnEmptyQueueAsync(host);
        Assert.That(_commits, Is.EqualTo(1), "one batch, as soon as it is full");
    }

    [Test]
    public async Task A_message_that_always_fails_costs_only_itself_and_its_key()
    {
        _bench.Script.Then = (number, _, _) => number is "20" or "23" ? throw new InvalidOperationException("no such article") : Task.CompletedTask;
        await using var host = await StartAndHoldAsync(c =>
        {
            c.Batch(100);
            c.Options.MaxAttempts = 3;
        });
        for (var i = 10; i < 50; i++)
            await _bench.PublishAsync($"{i}", key: $"key-{i % 10}");
        _all.SetResult();

        await AppliedAsync(Enumerable.Range(10, 40).Where(i => i < 20 || i % 10 is not (0 or 3)).Select(i => $"{i}").Append("first"));
        Assert.That((await _bench.DeadLettersBecomeAsync(2)).Select(d => (d[1], d[2])), Is.All.EqualTo(("InvalidOperationException: no such article", "3")));
        await Eventually.EqualsAsync(async () => string.Join(", ", (await _bench.DeferredAsync()).Order(StringComparer.Ordinal)), "20 dead, 23 dead, 30 behind, 33 behind, 40 behind, 43 behind", "what waits");
        foreach (var key in Enumerable.Range(0, 10))
        {
            // A batch that is rolled back is handled again, so the last call is what counts.
            var last = _bench.Script.Calls.Select((c, place) => (c.Number, c.Context.PartitionKey, Place: place)).Where(c => c.PartitionKey == $"key-{key}").GroupBy(c => c.Number).OrderBy(g => g.Max(c => c.Place)).Select(g => int.Parse(g.Key, CultureInfo.InvariantCulture));
            Assert.That(last, Is.Ordered, $"order of key-{key}");
        }
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.EqualTo(35), "neither a dead letter nor what waits for it is an applied message");
        await _bench.StopsWithAnEmptyQueueAsync(host, waiting: 4);
    }

    [Test]
    public async Task Copies_within_a_batch_and_after_it_change_nothing()
    {
        await using var host = await StartAndHoldAsync(c => c.Batch(100));
        await _bench.PublishAsync("twice", key: "a", times: 2);
        await _bench.PublishAsync("once", key: "a");
        _all.SetResult();

        await AppliedAsync(["first", "once", "twice"]);
        Assert.That(_bench.Script.CallsOf("twice"), Is.EqualTo(1));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task What_no_handler_can_read_is_set_aside_and_the_rest_of_the_batch_commits()
    {
        await using var host = await StartAndHoldAsync(c => c.Batch(100));
        await _bench.PublishAsync("before", key: "a");
        await _bench.PublishAsync("\\q", key: "a");
        await _bench.PublishAsync("after", key: "a");
        _all.SetResult();

        await AppliedAsync(["after", "before", "first"]);
        Assert.That(await _bench.DeadLettersBecomeAsync(1), Has.Count.EqualTo(1));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task Batches_beside_each_other_keep_the_order_of_keys_and_are_accepted_whatever_their_order()
    {
        var random = new Random(7);
        _bench.Script.Then = async (number, _, _) =>
        {
            int wait;
            lock (random)
                wait = random.Next(4);
            await Task.Delay(wait);
            if (number.EndsWith('7'))
                throw new RejectMessageException("a seven");
        };
        await using var host = await _bench.StartAsync(c => c.InOrderPerKey(dialect == SqlDialect.Sqlite ? 1 : 4).Batch(10));

        await Task.WhenAll(Enumerable.Range(0, 8).Select(async key =>
        {
            for (var i = 10; i < 35; i++)
                await _bench.PublishAsync($"{key}-{i}", key: $"key-{key}");
        }));

        await AppliedAsync(Enumerable.Range(0, 8).SelectMany(key => Enumerable.Range(10, 25).Where(i => i % 10 != 7).Select(i => $"{key}-{i}")));
        Assert.That(await _bench.DeadLettersBecomeAsync(16), Has.Count.EqualTo(16));
        foreach (var key in _bench.Script.Calls.Select((c, place) => (c.Number, c.Context.PartitionKey, Place: place)).GroupBy(c => c.PartitionKey))
        {
            // Of a message that was undone with its batch the last call is what counts.
            Assert.That(key.Where(c => !c.Number.EndsWith('7')).GroupBy(c => c.Number).OrderBy(n => n.Max(c => c.Place)).Select(n => n.Key), Is.Ordered, $"order of {key.Key}");
        }
        await _bench.StopsWithAnEmptyQueueAsync(host);
        Assert.That(host.Log.Entries.Where(e => e.Id is 2001 or 2100), Is.Empty, "the broker closes the channel of a tag that it does not know");
    }

    [Test]
    public async Task An_outage_uses_up_no_attempts()
    {
        await using var dataSource = new SwitchableDataSource(_bench.Database.DataSource);
        await using var host = await _bench.StartAsync(AdoNet(dataSource, c =>
        {
            c.Batch(100);
            c.Options.MaxAttempts = 1;
        }));
        var refused = dataSource.GoAway();
        foreach (var number in (string[])["1", "2", "3"])
            await _bench.PublishAsync(number, key: "a");
        await refused;
        await host.Log.FirstAsync(e => e.Id == 1005);
        dataSource.ComeBack();

        await AppliedAsync(["1", "2", "3"]);
        Assert.That(_bench.Script.Calls.Select(c => c.Number), Is.EqualTo(new[] { "1", "2", "3" }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [TestCase("inbox inserted", 0)]
    [TestCase("handled", 0)]
    [TestCase("saved", 0)]
    [TestCase("committed", 3)]
    public async Task A_consumer_that_dies_with_a_batch_leaves_all_of_it_or_none(string step, int effectsOfTheDead)
    {
        var died = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        ConsumerService? service = null;
        _bench.Steps.On(step, () =>
        {
            died.TrySetResult(service!.StopAsync(CancellationToken.None));
            throw new OperationCanceledException();
        });
        await using (var host = await _bench.StartAsync(c => c.Batch(3, linger: TimeSpan.FromSeconds(30))))
        {
            service = host.Services.GetServices<IHostedService>().OfType<ConsumerService>().Single();
            foreach (var number in (string[])["1", "2", "3"])
                await _bench.PublishAsync(number, key: number);
            await (await died.Task.WaitAsync(TimeSpan.FromSeconds(60)));
        }
        Assert.That(((await _bench.EffectsAsync()).Length, await _bench.Database.CountAsync("inbox_messages")), Is.EqualTo((effectsOfTheDead, (long)effectsOfTheDead)));

        _bench.Steps = new TestSteps();
        await using var next = await _bench.StartAsync(c => c.Batch(100));
        await _bench.PublishAsync("last");

        await AppliedAsync(["1", "2", "3", "last"]);
        await _bench.StopsWithAnEmptyQueueAsync(next);
    }

    [Test]
    public async Task A_batch_handler_gets_many_messages_and_one_that_fails_is_found()
    {
        var script = new BatchScript(_all.Task);
        await using var host = await _bench.StartAsync(services => services.AddSingleton(script).AddOutbox("stock", _ => _bench.Database.DataSource, outbox =>
            _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
            {
                _bench.Quick(consumer);
                consumer.HandleBatch<OrderPlaced, OrdersPlacedHandler>();
                consumer.Options.MaxAttempts = 2;
            })));
        await _bench.PublishAsync("00");
        await script.Called.WaitAsync(TimeSpan.FromSeconds(60));
        for (var i = 10; i < 50; i++)
            await _bench.PublishAsync(i == 31 ? "31 bad" : $"{i}", key: $"key-{i % 10}");
        _all.SetResult();

        await AppliedAsync(Enumerable.Range(10, 40).Where(i => i is not (31 or 41)).Select(i => $"{i}").Append("00"));
        await _bench.DeferredBecomeAsync("31 bad dead", "41 behind");
        var calls = script.Calls.ToList();
        Assert.That(calls[1], Has.Count.EqualTo(40), "all that had arrived");
        Assert.That((await _bench.DeadLettersBecomeAsync(1)).Single()[1..3], Is.EqualTo(new[] { "InvalidOperationException: one of them is bad", "2" }));
        Assert.That(calls, Has.Count.LessThan(25), "found by halves");
        foreach (var call in calls)
        {
            foreach (var key in call.GroupBy(m => m.Key))
                Assert.That(key.Select(m => m.Number), Is.Ordered, $"order of {key.Key}");
        }
        await _bench.StopsWithAnEmptyQueueAsync(host, waiting: 1);
    }

    [Test]
    public async Task Copies_of_known_messages_among_new_ones_are_no_failure_of_the_batch([Values(null, "key")] string? key)
    {
        await using var host = await StartAndHoldAsync(c => c.Batch(100));
        _all.SetResult();
        var known = new List<Guid>();
        for (var i = 0; i < 5; i++)
            known.Add(await _bench.PublishAsync($"{i}", key));
        await AppliedAsync(["first", "0", "1", "2", "3", "4"]);

        var hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var then = _bench.Script.Then;
        _bench.Script.Then = async (number, context, orders) =>
        {
            if (number == "second")
                await hold.Task.WaitAsync(TimeSpan.FromSeconds(60));
            await then(number, context, orders);
        };
        await _bench.PublishAsync("second");
        await _bench.Script.CalledAsync("second");
        foreach (var (id, i) in known.Select((id, i) => (id, i)))
        {
            await _bench.PublishAsync($"{i + 5}", key);
            await _bench.PublishAsync($"{i}", key, id: id);
        }
        hold.SetResult();

        await AppliedAsync(Enumerable.Range(0, 10).Select(i => $"{i}").Append("first").Append("second"));
        Assert.That(_bench.Script.Calls.Select(c => (c.Number, c.Context.Attempt)), Is.EquivalentTo(Enumerable.Range(0, 10).Select(i => ($"{i}", 1)).Append(("first", 1)).Append(("second", 1))));
        Assert.That(host.Log.Entries.Select(e => e.Id), Has.None.EqualTo(1013), "handled one by one");
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    /// <summary>Starts the consumer and lets it hold its first message until <see cref="_all"/>, so that what comes meanwhile is ready together.</summary>
    private async Task<TestHost> StartAndHoldAsync(Action<ConsumerBuilder> configure)
    {
        var then = _bench.Script.Then;
        _bench.Script.Then = async (number, context, orders) =>
        {
            if (number == "first")
                await _all.Task.WaitAsync(TimeSpan.FromSeconds(60));
            await then(number, context, orders);
        };
        var host = await _bench.StartAsync(configure);
        await _bench.PublishAsync("first");
        await _bench.Script.CalledAsync("first");
        return host;
    }

    private Task AppliedAsync(IEnumerable<string> numbers) => _bench.EffectsBecomeAsync([.. numbers]);

    private Action<IServiceCollection> AdoNet(System.Data.Common.DbDataSource dataSource, Action<ConsumerBuilder> configure) => services =>
        services.AddOutbox("stock", _ => dataSource, outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            configure(consumer);
        }));

    /// <summary>Whoever waits for a time by it waits for ever.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer();

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }

    private sealed class BatchScript(Task all)
    {
        private readonly TaskCompletionSource _called = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Called => _called.Task;

        public Task CallAsync(IReadOnlyList<(string? Key, string Number)> messages)
        {
            Calls.Enqueue(messages);
            _called.TrySetResult();
            return all.WaitAsync(TimeSpan.FromSeconds(60));
        }

        public ConcurrentQueue<IReadOnlyList<(string? Key, string Number)>> Calls { get; } = new();
    }

    private sealed class OrdersPlacedHandler(BatchScript script) : IBatchHandler<OrderPlaced>
    {
        public async Task HandleAsync(IReadOnlyList<ReceivedMessage<OrderPlaced>> messages, BatchContext context, CancellationToken cancellationToken)
        {
            await script.CallAsync([.. messages.Select(m => (m.Context.PartitionKey, m.Message.Number))]);
            foreach (var message in messages)
            {
                await context.Transaction.Connection!.Command("INSERT INTO orders (id, number) VALUES (@id, @number)", context.Transaction)
                    .With("id", Guid.CreateVersion7()).With("number", OrderPlacedHandler.NumberOf(message.Message)).ExecuteAsync(cancellationToken);
            }
            if (messages.Any(m => m.Message.Number == "31 bad"))
                throw new InvalidOperationException("one of them is bad");
        }
    }
}
