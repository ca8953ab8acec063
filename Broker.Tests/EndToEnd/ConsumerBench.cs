using System.Collections.Concurrent;
using System.Text;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.RabbitMQ;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>A consumer's surroundings: its database, its queue, and somebody who publishes to it.</summary>
internal sealed class ConsumerBench : IAsyncDisposable
{
    public const string Consumer = "stock";

    private readonly ITransport _publisher;
    private readonly string? _rabbitMq;
    private readonly ConcurrentDictionary<string, string> _numbers = new();
    private int _published;

    private ConsumerBench(TestDatabase database, ITransport publisher, string? rabbitMq) => (Database, _publisher, _rabbitMq) = (database, publisher, rabbitMq);

    public TestDatabase Database { get; }

    public HandlerScript Script { get; } = new();

    public TestSteps Steps { get; set; } = new();

    public string Exchange { get; } = TestServers.NewName("exchange");

    public string Queue { get; } = TestServers.NewName("queue");

    /// <summary>The transport of a bench without servers.</summary>
    public InMemoryTransport InMemory => (InMemoryTransport)_publisher;

    public static Task<ConsumerBench> CreateAsync(Stack stack) =>
        stack == Stack.Embedded ? CreateAsync(TestTransport.InMemory, SqlDialect.Sqlite) : CreateAsync(TestTransport.RabbitMq, SqlDialect.PostgreSql);

    public static async Task<ConsumerBench> CreateAsync(TestTransport transport, SqlDialect dialect)
    {
        var rabbitMq = transport == TestTransport.RabbitMq ? await TestServers.RabbitMqAsync() : null;
        var database = await TestDatabase.CreateAsync(dialect, withTables: false);
        if (dialect == SqlDialect.MySql)
        {
            await database.CreateTablesAsync();
            await database.ExecuteAsync("CREATE TABLE orders (id char(36) NOT NULL PRIMARY KEY, number varchar(200) NOT NULL UNIQUE)");
        }
        else
        {
            await using var _ = await OrdersContext.CreateAsync(database, createTables: true);
        }
        return new ConsumerBench(database, await transport.CreateAsync(), rabbitMq);
    }

    /// <summary>Starts the service and waits until its consumer reads its queue.</summary>
    public Task<TestHost> StartAsync(Action<ConsumerBuilder>? configure = null) => Database.Dialect == SqlDialect.MySql ? StartWithoutEntityFrameworkAsync(configure) : StartAsync(services => services
        .AddDbContext<OrdersContext>(Database.Configure)
        .AddOutbox<OrdersContext>(outbox => UseTransport(outbox).AddConsumer(Consumer, consumer =>
        {
            Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedHandler>();
            configure?.Invoke(consumer);
        })));

    private Task<TestHost> StartWithoutEntityFrameworkAsync(Action<ConsumerBuilder>? configure) => StartAsync(services => services
        .AddOutbox("orders", _ => Database.DataSource, outbox => UseTransport(outbox).AddConsumer(Consumer, consumer =>
        {
            Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            configure?.Invoke(consumer);
        })));

    /// <summary>Starts a service of any kind with a consumer of this queue.</summary>
    public async Task<TestHost> StartAsync(Action<IServiceCollection> configure, string consumer = Consumer)
    {
        var host = TestHost.Build(services =>
        {
            services.AddSingleton(Script).AddSingleton<StepSignals>(Steps);
            configure(services);
        });
        await host.StartAsync();
        await host.ConsumerStartedAsync(consumer);
        return host;
    }

    public OutboxBuilder UseTransport(OutboxBuilder outbox)
    {
        outbox.Options.Exchange = Exchange;
        return _rabbitMq is null ? outbox.UseInMemory((InMemoryTransport)_publisher) : outbox.UseRabbitMq(_rabbitMq);
    }

    /// <summary>The bench's queue, and waits that suit a test.</summary>
    public void Quick(ConsumerBuilder consumer)
    {
        consumer.Options.Queue = Queue;
        (consumer.Options.RetryDelay, consumer.Options.MaxRetryDelay) = (TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(20));
        consumer.Options.RetryLook = TimeSpan.FromMilliseconds(500);
    }

    /// <summary>Publishes an order's event, once or more often under one id, and waits for the confirms. Returns its id.</summary>
    public async Task<Guid> PublishAsync(string number, string? key = null, int times = 1, ITransport? through = null, long? sequence = null, Guid? id = null, string? type = null)
    {
        var messageId = id ?? Guid.CreateVersion7();
        _numbers[messageId.ToString("D")] = number;
        var body = Encoding.UTF8.GetBytes($$"""{"number":"{{number}}"}""");
        await using var channel = await (through ?? _publisher).OpenPublishChannelAsync(new PublishChannelOptions { Exchange = Exchange, Queue = type is null ? null : Queue }, CancellationToken.None);
        for (var i = 0; i < times; i++)
            await channel.PublishAsync(new Envelope { MessageId = messageId, Type = type ?? "orders.order-placed.v1", Body = body, PartitionKey = key, KeySequence = sequence, Source = "orders" }, i, CancellationToken.None);
        Interlocked.Add(ref _published, times);
        for (var i = 0; i < times; i++)
            Assert.That((await channel.Results.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60))).Outcome, Is.EqualTo(PublishOutcome.Confirmed));
        return messageId;
    }

    /// <summary>The orders whose effects are committed, in the order of their numbers.</summary>
    public async Task<string[]> EffectsAsync() => [.. (await Database.QueryAsync("SELECT number FROM orders ORDER BY number")).Select(r => r[0]!.Split('#')[0])];

    /// <summary>Waits until exactly these effects are committed.</summary>
    public Task EffectsBecomeAsync(params string[] numbers) =>
        Eventually.EqualsAsync(async () => string.Join(", ", await EffectsAsync()), string.Join(", ", numbers.Order(StringComparer.Ordinal)), "the effects");

    public async Task<IReadOnlyList<string?[]>> DeadLettersAsync() =>
        await Database.QueryAsync("SELECT type, reason, attempts, original_id, message_id FROM dead_letters ORDER BY id");

    /// <summary>Waits for dead letters; gives their type, reason, attempts, original id and message id.</summary>
    public async Task<IReadOnlyList<string?[]>> DeadLettersBecomeAsync(int count)
    {
        await Eventually.EqualsAsync(() => Database.CountAsync("dead_letters"), count, "the dead letters");
        return await DeadLettersAsync();
    }

    /// <summary>The deferred messages in their order, with their states; of one whose body is in a dead letter, that letter's.</summary>
    public async Task<string[]> DeferredAsync() =>
        [.. (await Database.QueryAsync("SELECT original_id, state FROM deferred_messages ORDER BY id")).Select(r => $"{_numbers[r[0]!]} {r[1]}")];

    /// <summary>Waits until exactly these messages are deferred.</summary>
    public Task DeferredBecomeAsync(params string[] expected) => Eventually.EqualsAsync(async () => string.Join(", ", await DeferredAsync()), string.Join(", ", expected), "the deferred messages");

    /// <summary>Waits until the service has accepted everything that was published, and stops it; then nothing may be left in its queue.</summary>
    /// <param name="host">The service.</param>
    /// <param name="waiting">Messages that wait behind others of their keys.</param>
    public async Task StopsWithAnEmptyQueueAsync(TestHost host, int waiting = 0)
    {
        // Applied, known already, or set aside: each is logged after its accept.
        await Eventually.EqualsAsync(() => Task.FromResult(host.Log.Entries.Count(e => e.Id is 1001 or 1002 or 1004)), _published - waiting, "the accepted messages");
        await host.DisposeAsync();
        if (_rabbitMq is null)
        {
            Assert.That(((InMemoryTransport)_publisher).Count(Queue), Is.Zero);
            return;
        }
        await using var broker = await TestBroker.ConnectAsync(_rabbitMq);
        Assert.That(await broker.CountAsync(Queue), Is.Zero);
    }

    /// <summary>Counts a message that was published by other means.</summary>
    public void Published() => Interlocked.Increment(ref _published);

    public async ValueTask DisposeAsync()
    {
        await _publisher.DisposeAsync();
        await Database.DisposeAsync();
    }
}
