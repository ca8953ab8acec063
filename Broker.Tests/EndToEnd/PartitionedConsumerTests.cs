using System.Globalization;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Broker.Tests.EndToEnd;

/// <summary>A consumer's partitioned queues: its processes share the work, and each key keeps its order whoever comes and goes.</summary>
[TestFixture(Stack.Embedded)]
[TestFixture(Stack.Servers)]
internal sealed class PartitionedConsumerTests(Stack stack)
{
    private const int Keys = 12;

    private readonly List<TestHost> _hosts = [];
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => (_bench, _published) = (await ConsumerBench.CreateAsync(stack), 0);

    [TearDown]
    public async Task Close()
    {
        foreach (var host in _hosts)
            await host.DisposeAsync();
        _hosts.Clear();
        if (_bench is not null)
            await _bench.DisposeAsync();
    }

    [Test]
    public async Task Keys_keep_their_order_and_effects_are_once_while_processes_join_and_leave([Values(1, 20)] int batch)
    {
        var first = await StartAsync(4, batch);
        await PublishAsync(0, 5);
        await StartAsync(4, batch);
        await PublishAsync(5, 10);
        await StartAsync(4, batch);
        await PublishAsync(10, 15);

        await first.DisposeAsync();
        await PublishAsync(15, 20);

        await AppliedInOrderAsync(20);
    }

    [Test]
    public async Task Each_process_gets_its_share_and_takes_over_what_another_leaves()
    {
        var first = await StartAsync(4);
        await QueuesBecomeAsync(first, 4);
        var second = await StartAsync(4);
        await QueuesBecomeAsync(first, 2);
        await QueuesBecomeAsync(second, 2);

        await first.DisposeAsync();

        await QueuesBecomeAsync(second, 4);
        await PublishAsync(0, 3);
        await AppliedInOrderAsync(3);
    }

    [Test]
    public async Task A_message_that_fails_holds_its_key_only_and_goes_on_in_another_process()
    {
        var isMended = false;
        _bench.Script.Then = (number, _, _) => number == "00:0000" && !Volatile.Read(ref isMended) ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        var first = await StartAsync(4, configure: c => c.Options.MaxAttempts = 1_000);
        await PublishAsync(0, 3);
        await Eventually.EqualsAsync(async () => (await _bench.EffectsAsync()).Length, (Keys - 1) * 3, "the others' effects");
        await StartAsync(4, configure: c => c.Options.MaxAttempts = 1_000);
        await first.DisposeAsync();

        Volatile.Write(ref isMended, true);
        await PublishAsync(3, 4);

        await AppliedInOrderAsync(4);
    }

    [Test]
    public async Task Another_number_of_partitions_waits_until_the_old_queues_are_gone_and_then_loses_nothing()
    {
        var old = await StartAsync(1);
        await PublishAsync(0, 2);
        await AppliedInOrderAsync(2);

        foreach (var (from, to) in ((int, int)[])[(1, 4), (4, 2), (2, 1)])
        {
            var next = await StartAsync(to, waits: false);
            Assert.That((await next.Log.FirstAsync($"is set to {to} partitions and has used {from}")), Is.Not.Null);
            var last = await PublishMoreAsync();
            await AppliedInOrderAsync(last);
            await old.DisposeAsync();
            Assert.That(next.Log.Entries.Any(e => e.Message.Contains("reads queue", StringComparison.Ordinal)), Is.False, "it reads nothing while the old queues are there");
            last = await PublishMoreAsync();

            // Both generations have them, so nothing is lost with the old queues.
            for (var partition = 0; partition < from; partition++)
                await DeleteQueueAsync(PartitionSlot.QueueOf(_bench.Queue, partition, from));

            await AppliedInOrderAsync(last);
            old = next;
        }
    }

    [Test]
    public async Task Messages_of_publishers_without_slots_arrive_and_that_is_said()
    {
        if (stack == Stack.Embedded)
            Assert.Pass("Every message of the in-memory transport is the library's.");
        var host = await StartAsync(4);
        await using var broker = await TestBroker.ConnectAsync();
        var properties = new BasicProperties { MessageId = Guid.CreateVersion7().ToString("D"), Type = "orders.order-placed.v1", ContentType = "application/json", Headers = new Dictionary<string, object?> { ["cloudEvents:partitionkey"] = "k" } };

        await broker.PublishAsync(_bench.Exchange, "orders.order-placed.v1", properties, """{"number":"foreign"}"""u8.ToArray());

        await _bench.EffectsBecomeAsync("foreign");
        await host.Log.FirstAsync("do not say their partition slot ('orders.order-placed.v1' of source '(none)')");
    }

    private int _published;

    private async Task<int> PublishMoreAsync()
    {
        await PublishAsync(_published, _published + 2);
        return _published;
    }

    private async Task<TestHost> StartAsync(int partitions, int batch = 1, Action<ConsumerBuilder>? configure = null, bool waits = true)
    {
        var host = TestHost.Build(services => services
            .AddSingleton(_bench.Script).AddSingleton<Outbox.Diagnostics.StepSignals>(_bench.Steps)
            .AddDbContext<OrdersContext>(_bench.Database.Configure)
            .AddOutbox<OrdersContext>(outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
            {
                _bench.Quick(consumer);
                consumer.Handle<OrderPlaced, OrderPlacedHandler>().InOrderPerKey(concurrency: 4).Batch(batch).Partitions(partitions);
                configure?.Invoke(consumer);
            })));
        _hosts.Add(host);
        await host.StartAsync();
        if (waits)
            await host.ConsumerStartedAsync(ConsumerBench.Consumer);
        return host;
    }

    private async Task PublishAsync(int from, int to)
    {
        for (var round = from; round < to; round++)
        {
            for (var key = 0; key < Keys; key++)
                await _bench.PublishAsync(string.Create(CultureInfo.InvariantCulture, $"{key:00}:{round:0000}"), key: string.Create(CultureInfo.InvariantCulture, $"key {key}"));
        }
        _published = Math.Max(_published, to);
    }

    /// <summary>Waits for all effects; then each is there once, and each key's were committed in its order: by the last calls of their handlers, because a call comes after the inbox's row.</summary>
    private async Task AppliedInOrderAsync(int rounds)
    {
        var expected = Enumerable.Range(0, Keys).SelectMany(k => Enumerable.Range(0, rounds).Select(r => string.Create(CultureInfo.InvariantCulture, $"{k:00}:{r:0000}"))).Order(StringComparer.Ordinal).ToArray();
        await _bench.EffectsBecomeAsync(expected);
        var last = _bench.Script.Calls.Select((call, place) => (call.Number, Place: place)).GroupBy(c => c.Number).Select(c => (Number: c.Key, Place: c.Max(x => x.Place)));
        foreach (var key in last.GroupBy(c => c.Number[..2]))
            Assert.That(key.OrderBy(c => c.Place).Select(c => c.Number), Is.Ordered.Using((IComparer<string>)StringComparer.Ordinal), $"key {key.Key}");
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
    }

    private static Task QueuesBecomeAsync(TestHost host, int expected) => Eventually.EqualsAsync(
        () => Task.FromResult(host.Log.Entries.Count(e => e.Id == 1018) - host.Log.Entries.Count(e => e.Id == 1019)), expected, "the queues that it reads");

    private async Task DeleteQueueAsync(string queue)
    {
        if (stack == Stack.Embedded)
        {
            _bench.InMemory.DeleteQueue(queue);
            return;
        }
        await using var broker = await TestBroker.ConnectAsync();
        await broker.DeleteQueueAsync(queue);
    }
}
