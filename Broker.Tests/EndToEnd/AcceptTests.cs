using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>G4, G6: what is committed stays as it is when its accept fails.</summary>
internal sealed class AcceptTests
{
    private ConsumerBench _bench = null!;
    private InMemoryTransport _transport = null!;

    [SetUp]
    public async Task Prepare()
    {
        _bench = await ConsumerBench.CreateAsync(Stack.Embedded);
        _transport = new InMemoryTransport();
    }

    [TearDown]
    public async Task Close()
    {
        if (_transport is not null)
            await _transport.DisposeAsync();
        if (_bench is not null)
            await _bench.DisposeAsync();
    }

    [Test]
    public async Task An_accept_that_fails_after_the_commit_is_no_failed_attempt()
    {
        await using var host = await StartAsync();

        var id = await PublishAsync("1");
        await PublishAsync("last");

        await _bench.EffectsBecomeAsync("1", "last");
        await host.Log.FirstAsync($"had already applied orders.order-placed.v1 {id:D}");
        Assert.That(_bench.Script.Calls.Select(c => (c.Number, c.Context.Attempt)), Is.EquivalentTo(new[] { ("1", 1), ("last", 1) }));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await host.DisposeAsync();
        Assert.That(_transport.Count(_bench.Queue), Is.Zero);
    }

    [Test]
    public async Task An_accept_that_fails_after_the_dead_letter_was_written_keeps_the_dead_letter_and_stops_nobody()
    {
        _bench.Script.Then = (number, _, _) => number == "bad" ? throw new RejectMessageException("no") : Task.CompletedTask;
        await using var host = await StartAsync();

        await PublishAsync("bad");
        await PublishAsync("good");

        await _bench.EffectsBecomeAsync("good");
        await Eventually.EqualsAsync(() => Task.FromResult(_transport.Count(_bench.Queue)), 0, "the broker's second delivery is accepted");
        Assert.That((await _bench.DeadLettersAsync()).Single()[1], Is.EqualTo("no"));
        Assert.That(host.Log.Entries.Select(e => e.Id), Has.None.EqualTo(1005), "the database is not blamed");
    }

    /// <summary>A service whose first accept fails.</summary>
    private Task<TestHost> StartAsync() => _bench.StartAsync(services => services
        .AddDbContext<OrdersContext>(_bench.Database.Configure)
        .AddOutbox<OrdersContext>(outbox =>
        {
            outbox.Options.Exchange = _bench.Exchange;
            outbox.UseTransport(_ => new FirstAcceptFails(_transport)).AddConsumer(ConsumerBench.Consumer, consumer =>
            {
                _bench.Quick(consumer);
                consumer.Options.MaxAttempts = 1;
                consumer.Handle<OrderPlaced, OrderPlacedHandler>();
            });
        }));

    private Task<Guid> PublishAsync(string number) => _bench.PublishAsync(number, through: _transport);

    private sealed class FirstAcceptFails(ITransport inner) : ITransport
    {
        private int _accepts;

        public Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken) => inner.OpenPublishChannelAsync(options, cancellationToken);

        public Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken) =>
            inner.SubscribeAsync(options, (delivery, token) => onDelivery(Wrap(delivery), token), cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private FailingDelivery Wrap(Delivery delivery) => new(this, delivery)
        {
            MessageId = delivery.MessageId,
            Type = delivery.Type,
            ContentType = delivery.ContentType,
            Headers = delivery.Headers,
            Body = delivery.Body,
            Exchange = delivery.Exchange,
            RoutingKey = delivery.RoutingKey,
            Redelivered = delivery.Redelivered,
        };

        private sealed class FailingDelivery(FirstAcceptFails transport, Delivery inner) : Delivery
        {
            public override async ValueTask AcceptAsync()
            {
                if (Interlocked.Increment(ref transport._accepts) > 1)
                {
                    await inner.AcceptAsync();
                    return;
                }
                // As a broker does once the channel is gone.
                await inner.RequeueAsync();
                throw new InvalidOperationException("The accept failed.");
            }

            public override ValueTask RequeueAsync() => inner.RequeueAsync();

            public override ValueTask RejectAsync() => inner.RejectAsync();
        }
    }
}
