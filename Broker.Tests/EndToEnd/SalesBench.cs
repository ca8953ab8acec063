using System.Collections.Concurrent;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.RabbitMQ;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>The sales of Samples/Polyglot: programs in other languages write orders and events, a service of ours handles the events.</summary>
internal sealed class SalesBench : IAsyncDisposable
{
    public const int Partitions = 4;

    private readonly SalesLog _log = new();
    private readonly string _exchange = TestServers.NewName("exchange");
    private readonly string _queue = TestServers.NewName("queue");
    private TestHost? _host;

    private SalesBench(TestDatabase database, NativeClient client) => (Database, Client) = (database, client);

    public TestDatabase Database { get; }

    public NativeClient Client { get; }

    /// <summary>How many events without a key were handled.</summary>
    public int StockChanges => _log.Stock.Count;

    /// <summary>The sample's file of this kind for this engine.</summary>
    public string Sample(string kind) => SampleOf(kind, Database.Dialect);

    public static string SampleOf(string kind, SqlDialect engine) => Path.Combine(Approved.Root, "Samples", "Polyglot", kind, $"{engine.Name.ToLowerInvariant()}.sql");

    public static async Task<SalesBench> CreateAsync(SqlDialect engine)
    {
        var database = await TestDatabase.CreateAsync(engine);
        var bench = new SalesBench(database, await NativeClient.OfAsync(database));
        await bench.Client.RunAsync(bench.Sample("tables"));
        if (File.Exists(bench.Sample("partition")))
            await bench.Client.RunAsync(bench.Sample("partition"));
        await database.SetPartitionsAsync(Partitions);
        return bench;
    }

    /// <summary>Starts the service that relays and handles the events: on RabbitMQ with PostgreSQL, else in memory.</summary>
    public async Task StartAsync()
    {
        var rabbitMq = Database.Dialect == SqlDialect.PostgreSql ? await TestServers.RabbitMqAsync() : null;
        var transport = new InMemoryTransport();
        _host = await TestHost.StartAsync(services => services.AddSingleton(_log).AddOutbox("sales", _ => Database.DataSource, outbox =>
        {
            outbox.Options.Exchange = _exchange;
            (rabbitMq is null ? outbox.UseInMemory(transport) : outbox.UseRabbitMq(rabbitMq)).AddRelay();
            outbox.AddConsumer("stock", consumer =>
            {
                consumer.Options.Queue = _queue;
                consumer.Handle<SalesOrderPlaced, CountOrder>().Handle<StockChanged, CountStockChange>();
            });
        }));
    }

    /// <summary>Waits until these customers' orders, and no others, were handled; each customer's as 1, 2, 3 …, from rows in the partition that C# computes.</summary>
    public async Task HandlesAsync(params (string Customer, int Orders)[] expected)
    {
        await Eventually.EqualsAsync(() => Task.FromResult(_log.Orders.Count), expected.Sum(e => e.Orders), "the handled orders", TimeSpan.FromSeconds(60));
        await Eventually.EqualsAsync(() => Database.CountAsync("outbox_messages"), 0, "all rows are published");
        foreach (var (customer, orders) in expected)
            Assert.That(_log.Orders.Where(o => o.Message.Customer == customer).Select(o => (o.Message.Number, o.Message.Sku, o.Key, o.KeySequence)), Is.EqualTo(Enumerable.Range(1, orders).Select(n => (n, "tea", customer, (string?)$"{n}"))));
        Assert.That((await Database.QueryAsync("SELECT customer, count(*) FROM orders GROUP BY customer ORDER BY customer")).Select(r => (r[0], r[1])), Is.EqualTo(expected.Order().Select(e => (e.Customer, $"{e.Orders}"))));
    }

    /// <summary>The partitions that the waiting rows lie in are those that C# computes.</summary>
    public async Task RowsLieWhereOursWouldAsync()
    {
        var rows = await Database.QueryAsync($"SELECT DISTINCT partition_key, {Database.Partition} FROM outbox_messages");
        Assert.That(rows, Is.Not.Empty);
        Assert.That(rows.Select(r => (r[0], r[1])), Is.EquivalentTo(rows.Select(r => (r[0], $"{Outbox.Messages.Partitioner.PartitionOf(r[0], Partitions)}"))));
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        await Database.DisposeAsync();
    }
}

[MessageType("sales.order-placed.v1")]
internal sealed record SalesOrderPlaced(string Customer, int Number, string Sku, int Quantity);

[MessageType("sales.stock-changed.v1")]
internal sealed record StockChanged(string Sku);

/// <summary>What was handled, in order.</summary>
internal sealed class SalesLog
{
    public ConcurrentQueue<(SalesOrderPlaced Message, string? Key, string? KeySequence)> Orders { get; } = new();

    public ConcurrentQueue<StockChanged> Stock { get; } = new();
}

internal sealed class CountOrder(SalesLog log) : IMessageHandler<SalesOrderPlaced>
{
    public Task HandleAsync(SalesOrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        log.Orders.Enqueue((message, context.PartitionKey, context.Headers.GetValueOrDefault(MessageHeaders.KeySequence)));
        return Task.CompletedTask;
    }
}

internal sealed class CountStockChange(SalesLog log) : IMessageHandler<StockChanged>
{
    public Task HandleAsync(StockChanged message, MessageContext context, CancellationToken cancellationToken)
    {
        log.Stock.Enqueue(message);
        return Task.CompletedTask;
    }
}
