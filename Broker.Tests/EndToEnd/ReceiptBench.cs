using System.Collections.Concurrent;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.RabbitMQ;
using Outbox.Receipts;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>A service that wants receipts, and the services that write them: each with a database and a relay of its own.</summary>
internal sealed class ReceiptBench : IAsyncDisposable
{
    private readonly SqlDialect _dialect;
    private readonly string? _rabbitMq;
    private readonly List<TestDatabase> _databases = [];
    private readonly ConcurrentDictionary<string, TestDatabase> _ofConsumers = new();

    private ReceiptBench(SqlDialect dialect, ITransport transport, string? rabbitMq) => (_dialect, Transport, _rabbitMq) = (dialect, transport, rabbitMq);

    public ITransport Transport { get; }

    public TestDatabase Database { get; private set; } = null!;

    public string Source { get; } = TestServers.NewName("orders");

    public string Exchange { get; } = TestServers.NewName("exchange");

    public Answers Answers { get; } = new();

    public TestSteps Steps { get; set; } = new();

    public static async Task<ReceiptBench> CreateAsync(Stack stack)
    {
        var bench = stack == Stack.Embedded
            ? new ReceiptBench(SqlDialect.Sqlite, await TestTransport.InMemory.CreateAsync(), rabbitMq: null)
            : new ReceiptBench(SqlDialect.PostgreSql, await TestTransport.RabbitMq.CreateAsync(), await TestServers.RabbitMqAsync());
        bench.Database = await TestDatabase.CreateAsync(bench._dialect, withTables: false);
        bench._databases.Add(bench.Database);
        await using var context = await OrdersContext.CreateAsync(bench.Database, createTables: true);
        return bench;
    }

    /// <summary>Starts a process of the service that wants receipts, and waits until it receives them.</summary>
    public async Task<TestHost> StartPublisherAsync(bool withRelay = true, Action<ReceiptOptions>? configure = null)
    {
        var host = await TestHost.StartAsync(services => services
            .AddDbContext<OrdersContext>(Database.Configure)
            .AddOutbox<OrdersContext>(outbox =>
            {
                UseTransport(outbox.Source(Source)).UseReceipts(configure);
                if (withRelay)
                    outbox.AddRelay();
            }));
        await host.ConsumerStartedAsync($"{Source}.consumers");
        await host.ConsumerStartedAsync($"{Source}.receipts");
        return host;
    }

    /// <summary>Starts a service with a consumer, and waits until that reads its queue and the publisher knows of it.</summary>
    /// <param name="name">The consumer.</param>
    /// <param name="withRelay">Whether what it writes leaves.</param>
    /// <param name="exchange">The exchange that its own outbox publishes to. Default: the publisher's.</param>
    /// <param name="batch">Messages for one transaction.</param>
    public async Task<TestHost> StartConsumerAsync(string name, bool withRelay = true, string? exchange = null, int batch = 1)
    {
        var database = await DatabaseOfAsync(name);
        var host = await TestHost.StartAsync(services => services
            .AddSingleton(Answers).AddSingleton<StepSignals>(Steps)
            .AddOutbox(name, _ => database.DataSource, outbox =>
            {
                UseTransport(outbox);
                outbox.Options.Exchange = exchange ?? Exchange;
                outbox.AddConsumer(name, consumer =>
                {
                    consumer.Options.Queue = QueueOf(name);
                    consumer.Options.Exchange = Exchange;
                    consumer.Options.MaxAttempts = 1;
                    consumer.Batch(batch).Handle<OrderPlaced, AnsweringHandler>();
                });
                if (withRelay)
                    outbox.AddRelay();
            }));
        await host.ConsumerStartedAsync(name);
        await Eventually.EqualsAsync(() => Database.CountAsync($"consumers WHERE name = '{name}'"), 1, $"{name} is known");
        return host;
    }

    public string QueueOf(string consumer) => $"{Source}-{consumer}";

    /// <summary>A consumer's own database.</summary>
    public async Task<TestDatabase> DatabaseOfAsync(string consumer)
    {
        if (!_ofConsumers.TryGetValue(consumer, out var database))
        {
            _databases.Add(database = await TestDatabase.CreateAsync(_dialect));
            _ofConsumers[consumer] = database;
        }
        return database;
    }

    public static IOutbox OutboxOf(TestHost host) => host.Services.GetRequiredService<IOutbox>();

    /// <summary>Brings a message to one consumer again, as a broker or a redrive does.</summary>
    public async Task RedeliverAsync(string consumer, Guid messageId, string number)
    {
        await using var channel = await Transport.OpenPublishChannelAsync(new PublishChannelOptions { Queue = QueueOf(consumer) }, CancellationToken.None);
        await channel.PublishAsync(
            new Envelope
            {
                MessageId = messageId,
                Type = "orders.order-placed.v1",
                Body = new JsonMessageSerializer().Serialize(new OrderPlaced(number)),
                Source = Source,
                Headers = new Dictionary<string, string> { [MessageHeaders.ReceiptTo] = Source },
            },
            ticket: 1, CancellationToken.None);
        Assert.That((await channel.Results.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60))).Outcome, Is.EqualTo(PublishOutcome.Confirmed));
    }

    public async ValueTask DisposeAsync()
    {
        await Transport.DisposeAsync();
        foreach (var database in _databases)
            await database.DisposeAsync();
    }

    private OutboxBuilder UseTransport(OutboxBuilder outbox)
    {
        outbox.Options.Exchange = Exchange;
        return _rabbitMq is null ? outbox.UseInMemory((InMemoryTransport)Transport) : outbox.UseRabbitMq(_rabbitMq);
    }
}

/// <summary>What the consumers of a test answer.</summary>
internal sealed class Answers
{
    private readonly ConcurrentDictionary<string, string> _refusals = new();

    public ConcurrentQueue<(string Consumer, string Number)> Calls { get; } = new();

    /// <summary>From now on a consumer refuses everything.</summary>
    public void Refuse(string consumer, string reason) => _refusals[consumer] = reason;

    public void Accept(string consumer) => _refusals.TryRemove(consumer, out _);

    public string? RefusalOf(string consumer) => _refusals.GetValueOrDefault(consumer);
}

/// <summary>Its only effect is the inbox row: receipts are about that.</summary>
internal sealed class AnsweringHandler(Answers answers) : IMessageHandler<OrderPlaced>
{
    public Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        answers.Calls.Enqueue((context.Consumer, message.Number));
        return answers.RefusalOf(context.Consumer) is { } reason ? throw new RejectMessageException(reason) : Task.CompletedTask;
    }
}
