using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>What a consumer does is what its metrics say.</summary>
internal sealed class ConsumerMetricTests
{
    private ConsumerBench _bench = null!;
    private MetricRecorder _metrics = null!;

    [SetUp]
    public async Task Prepare()
    {
        _bench = await ConsumerBench.CreateAsync(Stack.Embedded);
        // Its queue is this test's own; its name is not.
        _metrics = new MetricRecorder(_bench.Queue, Name);
    }

    [TearDown]
    public async Task Close()
    {
        _metrics?.Dispose();
        if (_bench is not null)
            await _bench.DisposeAsync();
    }

    private string Name => "stock-" + _bench.Queue;

    [Test]
    public async Task What_becomes_of_messages_is_counted([Values(1, 50)] int batch)
    {
        _bench.Script.Then = (number, context, _) => number == "bad" || (number == "late" && context.Attempt < 3) ? throw new InvalidOperationException("no") : Task.CompletedTask;
        await using var host = await StartAsync(batch);

        await _bench.PublishAsync("good", times: 2);
        await _bench.PublishAsync("late");
        await _bench.PublishAsync("bad", key: "k");
        await _bench.PublishAsync("behind", key: "k");

        await _metrics.SumBecomesAsync(2, "outbox.inbox.applied");
        await _metrics.SumBecomesAsync(1, "outbox.inbox.duplicates");
        await _metrics.SumBecomesAsync(1, "outbox.dead_letters");
        await _metrics.SumBecomesAsync(5, "outbox.consumer.failures");
        await _metrics.SumBecomesAsync(4, "outbox.consumer.deferred", ("reason", "failed"));
        await _metrics.SumBecomesAsync(1, "outbox.consumer.deferred", ("reason", "behind"));
        Assert.Multiple(() =>
        {
            Assert.That(_metrics.Sum("messaging.client.consumed.messages", ("messaging.system", "in_memory"), ("messaging.operation.name", "deliver")), Is.EqualTo(5));
            var handled = _metrics.Of("messaging.process.duration", ("messaging.system", "in_memory"), ("messaging.consumer.group.name", Name), ("type", "orders.order-placed.v1"));
            Assert.That(handled.Count(m => !m.Tags.ContainsKey("error.type")), Is.GreaterThanOrEqualTo(2));
            Assert.That(handled.Count(m => Equals(m.Tags.GetValueOrDefault("error.type"), nameof(InvalidOperationException))), Is.GreaterThanOrEqualTo(5));
            Assert.That(_metrics.Of("outbox.consumer.batch.size").Count > 0, Is.EqualTo(batch > 1));
        });
    }

    [Test]
    public async Task The_lag_runs_from_the_row_to_the_commit()
    {
        await using var host = await StartAsync(1);
        await using var channel = await _bench.InMemory.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = _bench.Exchange }, CancellationToken.None);

        await channel.PublishAsync(
            new Envelope { MessageId = Guid.CreateVersion7(), Type = "orders.order-placed.v1", Body = """{"number":"1"}"""u8.ToArray(), Source = "orders", CreatedAt = TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(-2) }, 0, CancellationToken.None);

        await _metrics.SumBecomesAsync(1, "outbox.inbox.applied");
        Assert.That(_metrics.Of("outbox.consumer.lag").Single().Value, Is.InRange(119, 180));
    }

    [Test]
    public async Task A_consumer_is_up_while_it_reads_and_is_not_shown_after_its_end()
    {
        var database = new SwitchableDataSource(_bench.Database.DataSource);
        await using var host = await _bench.StartAsync(services => services.AddOutbox("orders", _ => database, outbox => _bench.UseTransport(outbox).AddConsumer(Name, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
        })), Name);
        Assert.That(_metrics.Gauge("outbox.consumer.up"), Is.EqualTo(1));

        var refused = database.GoAway();
        await _bench.PublishAsync("1");
        await refused;
        await _metrics.GaugeBecomesAsync(0, "outbox.consumer.up");

        database.ComeBack();
        await _metrics.GaugeBecomesAsync(1, "outbox.consumer.up");
        await host.StopAsync();
        Assert.That(_metrics.Gauge("outbox.consumer.up"), Is.Null);
    }

    private Task<TestHost> StartAsync(int batch) => _bench.StartAsync(services => services.AddDbContext<OrdersContext>(_bench.Database.Configure).AddOutbox<OrdersContext>(outbox => _bench.UseTransport(outbox).AddConsumer(Name, consumer =>
    {
        _bench.Quick(consumer);
        consumer.Options.MaxAttempts = 3;
        consumer.Batch(batch).Handle<OrderPlaced, OrderPlacedHandler>();
    })), Name);
}
