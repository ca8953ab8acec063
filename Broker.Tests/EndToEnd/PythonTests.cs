using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using Outbox;

namespace Broker.Tests.EndToEnd;

/// <summary>Programs in another language, here Python with pika, take part through AMQP and the table alone.</summary>
internal sealed class PythonTests
{
    private string _python = "";
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare()
    {
        _python = TestServers.PythonWithPika();
        _bench = await ConsumerBench.CreateAsync(Stack.Servers);
    }

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_message_that_Python_publishes_three_times_is_handled_once()
    {
        await using var host = await _bench.StartAsync();

        await RunAsync("""
            import json, sys, uuid, pika
            uri, exchange = sys.argv[1:]
            connection = pika.BlockingConnection(pika.URLParameters(uri))
            channel = connection.channel()
            channel.confirm_delivery()
            id = str(uuid.uuid4())
            for _ in range(3):
                channel.basic_publish(exchange, 'orders.order-placed.v1', json.dumps({'number': 'Zürich'}), pika.BasicProperties(
                    message_id=id, type='orders.order-placed.v1', content_type='application/json', delivery_mode=2,
                    headers={'cloudEvents:specversion': '1.0', 'cloudEvents:id': id, 'cloudEvents:type': 'orders.order-placed.v1',
                             'cloudEvents:source': 'python', 'cloudEvents:partitionkey': 'order-1'}), mandatory=True)
            connection.close()
            """, await TestServers.RabbitMqAsync(), _bench.Exchange);
        await _bench.PublishAsync("last", key: "order-1");

        await _bench.EffectsBecomeAsync("Zürich", "last");
        Assert.That(_bench.Script.CallsOf("Zürich"), Is.EqualTo(1));
        Assert.That((_bench.Script.Calls.First().Context.Source, _bench.Script.Calls.First().Context.PartitionKey), Is.EqualTo(("python", "order-1")));
    }

    [Test]
    public async Task A_message_of_ours_is_read_by_Python_with_its_CloudEvents_attributes()
    {
        await using var broker = await TestBroker.ConnectAsync();
        await broker.DeclareExchangeAsync(_bench.Exchange);
        await broker.DeclareQueueAsync(_bench.Queue, _bench.Exchange, "orders.#");
        await using var host = TestHost.Build(services => services
            .AddDbContext<OrdersContext>(_bench.Database.Configure)
            .AddOutbox<OrdersContext>(outbox => _bench.UseTransport(outbox).AddRelay()));
        await host.StartAsync();
        Guid id;
        await using (var scope = host.Services.CreateAsyncScope())
        {
            var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
            id = context.Outbox().Add(new OrderPlaced("Zürich"), new MessageOptions { PartitionKey = "order-1", KeySequence = 3, Headers = new Dictionary<string, string> { ["tenant"] = "x" } });
            await context.SaveChangesAsync();
        }
        await Eventually.EqualsAsync(() => broker.CountAsync(_bench.Queue), 1u, "the relay has published it");

        var read = JObject.Parse(await RunAsync("""
            import json, sys, pika
            uri, queue = sys.argv[1:]
            connection = pika.BlockingConnection(pika.URLParameters(uri))
            method, properties, body = connection.channel().basic_get(queue, auto_ack=True)
            print(json.dumps({'id': properties.message_id, 'type': properties.type, 'content_type': properties.content_type, 'delivery_mode': properties.delivery_mode,
                              'timestamp': properties.timestamp, 'routing_key': method.routing_key, 'headers': properties.headers, 'body': json.loads(body)}))
            connection.close()
            """, await TestServers.RabbitMqAsync(), _bench.Queue));

        Assert.Multiple(() =>
        {
            Assert.That((string?)read["id"], Is.EqualTo(id.ToString("D")));
            Assert.That((string?)read["type"], Is.EqualTo("orders.order-placed.v1"));
            Assert.That((string?)read["routing_key"], Is.EqualTo("orders.order-placed.v1"));
            Assert.That((string?)read["content_type"], Is.EqualTo("application/json"));
            Assert.That((int)read["delivery_mode"]!, Is.EqualTo(2));
            Assert.That((long)read["timestamp"]!, Is.GreaterThan(1_700_000_000));
            Assert.That((string?)read["body"]!["number"], Is.EqualTo("Zürich"));
            var headers = (JObject)read["headers"]!;
            // What begins with x- is the broker's own.
            Assert.That(headers.Properties().Select(p => p.Name).Where(n => !n.StartsWith("x-", StringComparison.Ordinal)), Is.EquivalentTo(new[]
            {
                "tenant", "cloudEvents:specversion", "cloudEvents:id", "cloudEvents:source", "cloudEvents:type", "cloudEvents:time", "cloudEvents:partitionkey", "cloudEvents:sequence",
            }));
            Assert.That(
                ((string?)headers["tenant"], (string?)headers["cloudEvents:specversion"], (string?)headers["cloudEvents:id"], (string?)headers["cloudEvents:source"], (string?)headers["cloudEvents:partitionkey"], (string?)headers["cloudEvents:sequence"]),
                Is.EqualTo(("x", "1.0", id.ToString("D"), "orders", "order-1", "3")));
            Assert.That(headers.Value<DateTime>("cloudEvents:time"), Is.GreaterThan(new DateTime(2024, 1, 1)));
        });
    }

    private async Task<string> RunAsync(string script, params string[] arguments)
    {
        var (code, output) = await Task.Run(() => TestServers.Start(_python, ["-c", script, .. arguments]));
        Assert.That(code, Is.Zero, output);
        return output;
    }
}
