using System.Data.Common;
using System.Globalization;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;

namespace Broker.Tests.EndToEnd;

/// <summary>Stages 5 to 7 of a message's way, from the queue to the committed effect.</summary>
[TestFixture(Stack.Embedded)]
[TestFixture(Stack.Servers)]
internal sealed class ConsumerTests(Stack stack)
{
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(stack);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_message_that_is_delivered_three_times_takes_effect_once()
    {
        await using var host = await _bench.StartAsync();

        await _bench.PublishAsync("1", times: 3);
        await _bench.PublishAsync("last");

        await _bench.EffectsBecomeAsync("1", "last");
        Assert.That(_bench.Script.CallsOf("1"), Is.EqualTo(1), "a known message does not reach its handler");
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.EqualTo(2));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task Copies_that_are_handled_at_the_same_time_take_effect_once()
    {
        await using var host = await _bench.StartAsync(c => c.InAnyOrder(8));

        var numbers = Enumerable.Range(10, 30).Select(i => i.ToString(CultureInfo.InvariantCulture)).ToArray();
        await Task.WhenAll(numbers.Select(n => _bench.PublishAsync(n, times: 3)));

        await _bench.EffectsBecomeAsync(numbers);
        await _bench.StopsWithAnEmptyQueueAsync(host);
        Assert.That((await _bench.EffectsAsync()).Length, Is.EqualTo(30));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
    }

    [Test]
    public async Task A_handlers_own_events_commit_with_its_changes()
    {
        _bench.Script.Then = (number, context, orders) =>
        {
            orders!.Outbox().Add(new OrderCancelled(number), partitionKey: number);
            return context.Attempt < 3 ? throw new InvalidOperationException($"attempt {context.Attempt} fails") : Task.CompletedTask;
        };
        await using var host = await _bench.StartAsync();

        await _bench.PublishAsync("1");

        await _bench.EffectsBecomeAsync("1");
        Assert.That((await _bench.Database.QueryAsync("SELECT type, partition_key FROM outbox_messages")).Single(), Is.EqualTo(new[] { "orders.order-cancelled.v1", "1" }), "the failed attempts left nothing");
        Assert.That(_bench.Script.Calls.Select(c => c.Context.Attempt), Is.EqualTo(new[] { 1, 2, 3 }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_handler_is_told_what_it_handles()
    {
        await using var host = await _bench.StartAsync();

        var id = await _bench.PublishAsync("1", key: "order-1");

        await _bench.EffectsBecomeAsync("1");
        var context = _bench.Script.Calls.Single().Context;
        Assert.That((context.MessageId, context.Type, context.Consumer, context.Source, context.PartitionKey, context.Attempt), Is.EqualTo((id, "orders.order-placed.v1", "stock", "orders", "order-1", 1)));
        Assert.That(context.Headers["cloudEvents:id"], Is.EqualTo(id.ToString("D")));
    }

    [Test]
    public async Task A_message_that_always_fails_becomes_a_dead_letter_while_its_key_waits_and_others_flow()
    {
        var overtaken = -1;
        _bench.Script.Then = (number, context, _) =>
        {
            if (number != "a1")
                return Task.CompletedTask;
            if (context.Attempt == 3)
                overtaken = _bench.Script.CallsOf("a2");
            throw new InvalidOperationException("no such article");
        };
        await using var host = await _bench.StartAsync(c =>
        {
            c.InOrderPerKey(2);
            c.Options.MaxAttempts = 3;
        });

        var id = await _bench.PublishAsync("a1", key: "a");
        await _bench.PublishAsync("a2", key: "a");
        await _bench.PublishAsync("b1", key: "b");
        await _bench.PublishAsync("c1");

        await _bench.EffectsBecomeAsync("b1", "c1");
        var dead = (await _bench.DeadLettersBecomeAsync(1)).Single();
        Assert.That(overtaken, Is.Zero, "the key's later message waits");
        Assert.That(_bench.Script.CallsOf("a1"), Is.EqualTo(3));
        Assert.That(dead[..3], Is.EqualTo(new[] { "orders.order-placed.v1", "InvalidOperationException: no such article", "3" }));
        Assert.That(Guid.Parse(dead[4]!), Is.EqualTo(id));
        var row = (await _bench.Database.QueryAsync("SELECT side, consumer, source, partition_key, state, error FROM dead_letters")).Single();
        Assert.That(row[..5], Is.EqualTo(new[] { "consumer", "stock", "orders", "a", "blocking" }));
        Assert.That(row[5], Does.Contain("no such article").And.Contain(nameof(HandlerScript)), "the error shows where it happened");
        Assert.That(host.Log.Entries, Has.Some.Matches<TestLog.Entry>(e => e.Id == 1004 && e.Message.Contains("no such article", StringComparison.Ordinal)));
        Assert.That(await _bench.DeferredAsync(), Is.EqualTo(new[] { "a1 dead", "a2 behind" }), "what comes later waits for an operator");
        await _bench.StopsWithAnEmptyQueueAsync(host, waiting: 1);
    }

    [Test]
    public async Task A_handler_that_refuses_a_message_sets_it_aside_at_once_with_its_reason()
    {
        _bench.Script.Then = (number, _, _) => number == "bad" ? throw new RejectMessageException("the customer is closed") : Task.CompletedTask;
        await using var host = await _bench.StartAsync();

        await _bench.PublishAsync("bad", key: "k");
        await _bench.PublishAsync("good", key: "k");

        await _bench.EffectsBecomeAsync("good");
        Assert.That((await _bench.DeadLettersAsync()).Single()[1..3], Is.EqualTo(new[] { "the customer is closed", "1" }));
        Assert.That(_bench.Script.CallsOf("bad"), Is.EqualTo(1));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_dead_letter_that_fails_again_is_counted_and_not_doubled()
    {
        _bench.Script.Then = (_, _, _) => throw new RejectMessageException("no");
        await using var host = await _bench.StartAsync();

        await _bench.PublishAsync("bad", times: 2);

        await Eventually.EqualsAsync(() => _bench.Database.ScalarAsync<long>("SELECT sum(attempts) FROM dead_letters"), 2, "both failures are counted");
        Assert.That(await _bench.Database.CountAsync("dead_letters"), Is.EqualTo(1));
    }

    [Test]
    public async Task Messages_of_one_key_are_handled_in_their_order()
    {
        await using var host = await _bench.StartAsync(c => c.InOrderPerKey(8));

        for (var i = 10; i < 30; i++)
        {
            foreach (var key in (string[])["a", "b", "c", "d"])
                await _bench.PublishAsync($"{key}{i}", key);
        }

        await Eventually.EqualsAsync(() => _bench.Database.CountAsync("orders"), 80, "all take effect");
        foreach (var key in "abcd")
            Assert.That(_bench.Script.Calls.Select(c => c.Number).Where(n => n[0] == key), Is.EqualTo(Enumerable.Range(10, 20).Select(i => $"{key}{i}")));
    }

    [Test]
    public async Task Keys_are_handled_beside_each_other_up_to_the_concurrency()
    {
        var both = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _bench.Script.Then = async (_, _, _) =>
        {
            if (_bench.Script.Calls.Count == 2)
                both.TrySetResult();
            await both.Task.WaitAsync(TimeSpan.FromSeconds(60));
        };
        // SQLite lets one transaction write at a time, so there only one handler can be at work.
        if (stack == Stack.Embedded)
            both.SetResult();
        await using var host = await _bench.StartAsync(c => c.InOrderPerKey(2));

        await _bench.PublishAsync("a", key: "a");
        await _bench.PublishAsync("b", key: "b");

        await _bench.EffectsBecomeAsync("a", "b");
    }

    [Test]
    public async Task A_body_of_5_MB_is_handled()
    {
        await using var host = await _bench.StartAsync();
        var large = new string('x', 5 * 1024 * 1024);

        await _bench.PublishAsync(large);
        await _bench.PublishAsync("after");

        await Eventually.EqualsAsync(() => _bench.Database.CountAsync("orders"), 2, "both take effect");
        Assert.That(_bench.Script.CallsOf(large), Is.EqualTo(1));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_deadlock_is_tried_again_at_once_and_is_no_attempt()
    {
        _bench.Script.Then = (_, _, _) => _bench.Script.Calls.Count <= 2
            ? throw (stack == Stack.Servers ? new Npgsql.PostgresException("deadlock detected", "ERROR", "ERROR", "40P01") : new Microsoft.Data.Sqlite.SqliteException("SQLite Error 5: 'database is locked'.", 5))
            : Task.CompletedTask;
        await using var host = await _bench.StartAsync(c => c.Options.MaxAttempts = 1);

        await _bench.PublishAsync("1");

        await _bench.EffectsBecomeAsync("1");
        Assert.That(_bench.Script.Calls.Select(c => c.Context.Attempt), Is.EqualTo(new[] { 1, 1, 1 }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
    }

    [Test]
    public async Task A_service_with_plain_ADO_NET_gets_the_transaction()
    {
        var failed = false;
        IOutbox? outbox = null;
        _bench.Script.Then = async (number, context, _) =>
        {
            await outbox!.AddAsync(context.Transaction, new OrderCancelled(number));
            if (!failed)
            {
                failed = true;
                throw new InvalidOperationException("once");
            }
        };
        await using var host = await _bench.StartAsync(AdoNet(_bench.Database.DataSource));
        outbox = host.Services.GetRequiredService<IOutbox>();

        await _bench.PublishAsync("1", times: 2);

        await _bench.EffectsBecomeAsync("1");
        Assert.That((await _bench.Database.CountAsync("outbox_messages"), await _bench.Database.CountAsync("inbox_messages")), Is.EqualTo((1, 1)));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task An_outage_of_the_database_uses_up_no_attempts_and_work_goes_on_by_itself()
    {
        await using var dataSource = new SwitchableDataSource(_bench.Database.DataSource);
        await using var host = await _bench.StartAsync(AdoNet(dataSource, c => c.Options.MaxAttempts = 1));
        var refused = dataSource.GoAway();

        await _bench.PublishAsync("1", key: "a");
        await _bench.PublishAsync("2", key: "a");
        await refused;
        await host.Log.FirstAsync(e => e.Id == 1005);
        dataSource.ComeBack();

        await _bench.EffectsBecomeAsync("1", "2");
        Assert.That(_bench.Script.Calls.Select(c => (c.Number, c.Context.Attempt)), Is.EqualTo(new[] { ("1", 1), ("2", 1) }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task Tables_of_another_version_are_not_touched_and_work_begins_once_they_are_upgraded()
    {
        await _bench.Database.ExecuteAsync("DROP TABLE outbox_schema");
        await using var host = TestHost.Build(services => services
            .AddSingleton(_bench.Script)
            .AddDbContext<OrdersContext>(_bench.Database.Configure)
            .AddOutbox<OrdersContext>(outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
            {
                _bench.Quick(consumer);
                consumer.Handle<OrderPlaced, OrderPlacedHandler>();
            })));
        await host.StartAsync();
        await host.Log.FirstAsync("Consumer 'stock': the tables of the outbox");
        Assert.That(host.Log.Entries.Any(e => e.Id == 1000), Is.False, "it does not read its queue");

        await _bench.Database.CreateTablesAsync();

        await host.ConsumerStartedAsync(ConsumerBench.Consumer);
        await _bench.PublishAsync("1");
        await _bench.EffectsBecomeAsync("1");
    }

    [Test]
    public async Task A_database_that_takes_no_writes_uses_up_no_attempts_and_work_goes_on_by_itself()
    {
        await using var readOnly = _bench.Database.CreateReadOnly();
        await using var dataSource = new SwitchableDataSource(_bench.Database.DataSource);
        await using var host = await _bench.StartAsync(AdoNet(dataSource, c => c.Options.MaxAttempts = 1));
        dataSource.BecomeReadOnly(readOnly);

        await _bench.PublishAsync("1", key: "a");
        await _bench.PublishAsync("2", key: "a");
        await host.Log.FirstAsync(e => e.Id == 1005);
        dataSource.ComeBack();

        await _bench.EffectsBecomeAsync("1", "2");
        Assert.That(_bench.Script.Calls.Select(c => (c.Number, c.Context.Attempt)), Is.EqualTo(new[] { ("1", 1), ("2", 1) }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_database_that_is_full_for_the_message_alone_uses_up_no_attempts_however_long_it_lasts()
    {
        _bench.Script.Then = (number, _, _) => number == "large" && _bench.Script.CallsOf("large") <= 30
            ? throw (stack == Stack.Servers ? new Npgsql.PostgresException("could not extend file", "ERROR", "ERROR", "53100") : new Microsoft.Data.Sqlite.SqliteException("SQLite Error 13: 'database or disk is full'.", 13))
            : Task.CompletedTask;
        await using var host = await _bench.StartAsync(c => c.Options.MaxAttempts = 1);

        await _bench.PublishAsync("large");
        await _bench.PublishAsync("small");

        await _bench.EffectsBecomeAsync("large", "small");
        Assert.That(_bench.Script.Calls.Select(c => c.Context.Attempt), Is.All.EqualTo(1));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        Assert.That(host.Log.Entries.Count(e => e.Id == 1010), Is.EqualTo(1), "it is told once, and not at each try");
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_connection_that_breaks_each_time_is_the_handlers_own_trouble_in_the_end()
    {
        _bench.Script.Then = (number, _, _) => number == "bad" ? throw new Npgsql.NpgsqlException("Exception while reading from stream", new IOException("reset")) : Task.CompletedTask;
        await using var host = await _bench.StartAsync(c => c.Options.MaxAttempts = 2);

        await _bench.PublishAsync("bad", key: "a");
        await _bench.PublishAsync("next", key: "b");

        await _bench.EffectsBecomeAsync("next");
        Assert.That((await _bench.DeadLettersBecomeAsync(1)).Single()[2], Is.EqualTo("2"));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task An_outage_while_a_dead_letter_is_written_loses_nothing()
    {
        await using var dataSource = new SwitchableDataSource(_bench.Database.DataSource);
        _bench.Script.Then = (number, _, _) =>
        {
            if (number != "bad")
                return Task.CompletedTask;
            _ = dataSource.GoAway();
            throw new RejectMessageException("no");
        };
        await using var host = await _bench.StartAsync(AdoNet(dataSource));

        await _bench.PublishAsync("bad");
        await _bench.PublishAsync("good");
        await host.Log.FirstAsync(e => e.Id == 1005);
        dataSource.ComeBack();

        await _bench.EffectsBecomeAsync("good");
        Assert.That((await _bench.DeadLettersAsync()).Single()[1], Is.EqualTo("no"));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task Two_consumers_of_one_service_each_apply_a_message()
    {
        await using var host = await _bench.StartAsync(services => services
            .AddDbContext<OrdersContext>(_bench.Database.Configure)
            .AddOutbox<OrdersContext>(outbox => _bench.UseTransport(outbox)
                .AddConsumer("audit", consumer =>
                {
                    consumer.Options.Queue = _bench.Queue + "-audit";
                    consumer.Handle<OrderPlaced, OrderPlacedHandler>();
                })
                .AddConsumer(ConsumerBench.Consumer, consumer =>
                {
                    _bench.Quick(consumer);
                    consumer.Handle<OrderPlaced, OrderPlacedHandler>();
                })));
        await host.ConsumerStartedAsync("audit");

        await _bench.PublishAsync("1", times: 2);

        await _bench.EffectsBecomeAsync("1", "1");
        Assert.That(_bench.Script.Calls.Select(c => c.Context.Consumer), Is.EquivalentTo(new[] { "audit", "stock" }));
    }

    private Action<IServiceCollection> AdoNet(DbDataSource dataSource, Action<ConsumerBuilder>? configure = null) => services =>
        services.AddOutbox("stock", _ => dataSource, outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            configure?.Invoke(consumer);
        }));
}
