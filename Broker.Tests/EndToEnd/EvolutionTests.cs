using Broker.Tests.Support;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Messages of older versions, which wait in queues and tables when a service is replaced.</summary>
[TestFixture(Stack.Embedded)]
[TestFixture(Stack.Servers)]
internal sealed class EvolutionTests(Stack stack)
{
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(stack);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task An_older_message_reaches_the_handler_of_the_newest_version()
    {
        await using var host = await StartAsync(outbox => outbox.Upcast<OrderPlaced, PlacedOnChannel>(old => new PlacedOnChannel(old.Number, "shop")));

        await _bench.PublishAsync("1");

        await _bench.EffectsBecomeAsync("1 by shop");
        Assert.That(_bench.Script.Calls.Single().Context.Type, Is.EqualTo("orders.order-placed.v1"), "as it was sent");
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_type_that_was_renamed_is_read_under_its_old_name()
    {
        await using var host = await StartAsync(outbox => outbox.Alias<PlacedOnChannel>("orders.order-placed.v1"));

        await _bench.PublishAsync("1");

        await _bench.EffectsBecomeAsync("1 by ");
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_message_that_cannot_be_upcast_is_set_aside_as_it_came()
    {
        await using var host = await StartAsync(outbox => outbox.Upcast<OrderPlaced, PlacedOnChannel>(old => throw new InvalidOperationException($"no channel for {old.Number}")));

        await _bench.PublishAsync("1");

        var dead = (await _bench.DeadLettersBecomeAsync(1)).Single();
        Assert.That((dead[0], dead[2]), Is.EqualTo(("orders.order-placed.v1", "1")));
        Assert.That(dead[1], Does.Contain("orders.order-placed.v1 to orders.placed-on-channel.v2").And.Contain("no channel for 1"));
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    private Task<TestHost> StartAsync(Action<OutboxBuilder> evolve) => _bench.StartAsync(services => services.AddOutbox("stock", _ => _bench.Database.DataSource, outbox =>
    {
        _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<PlacedOnChannel, PlacedOnChannelHandler>();
        });
        // After the consumer: the order of these calls does not matter.
        evolve(outbox);
    }));

    [MessageType("orders.placed-on-channel.v2")]
    private sealed record PlacedOnChannel(string Number, string Channel);

    private sealed class PlacedOnChannelHandler(HandlerScript script) : IMessageHandler<PlacedOnChannel>
    {
        public async Task HandleAsync(PlacedOnChannel message, MessageContext context, CancellationToken cancellationToken)
        {
            await context.Transaction.Connection!.Command("INSERT INTO orders (id, number) VALUES (@id, @number)", context.Transaction)
                .With("id", Guid.CreateVersion7()).With("number", $"{message.Number} by {message.Channel}#{Guid.CreateVersion7():N}").ExecuteAsync(cancellationToken);
            await script.RunAsync(message.Number, context, null);
        }
    }
}
