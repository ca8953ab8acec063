using System.Text;
using Broker.Tests.Support;
using Outbox.RabbitMQ;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Broker.Tests.Conformance;

/// <summary>What the client library does to a subscription at moments that no network fault can be timed for.</summary>
internal sealed class RabbitMqSubscriptionTests
{
    [Test]
    public async Task A_subscription_outlives_a_call_that_the_library_cancelled_by_itself()
    {
        var options = new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(await TestServers.RabbitMqAsync()) };
        var (queue, log, deliveries, calls) = (TestServers.NewName("queue"), new TestLog(), System.Threading.Channels.Channel.CreateUnbounded<Delivery>(), 0);
        var factory = Intercepted.Of<IConnectionFactory>(RabbitMqConnection.CreateFactory(options, "tests"), (_, connect) => connect() is Task<IConnection> connecting ? Unreliable(connecting) : null);
        await using var connection = new RabbitMqConnection(factory, "tests", log.CreateLogger("tests"));

        await using var subscription = new RabbitMqSubscription(
            connection, options, new SubscriptionOptions { Queue = queue, Exchange = TestServers.NewName("exchange"), Types = ["#"] },
            (delivery, token) => deliveries.Writer.WriteAsync(delivery, token), TimeProvider.System, log.CreateLogger("tests"));
        await subscription.Started.WaitAsync(TimeSpan.FromSeconds(60));

        await using var broker = await TestBroker.ConnectAsync();
        await broker.PublishAsync("", queue, new BasicProperties(), "hello"u8.ToArray());
        var delivery = await deliveries.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(Encoding.UTF8.GetString(delivery.Body.Span), Is.EqualTo("hello"));
        Assert.That(calls, Is.EqualTo(2), "the first call was cancelled");

        // A declare that the broker does not answer in time ends like this, and not by the token of the subscription.
        async Task<IConnection> Unreliable(Task<IConnection> connecting) => Intercepted.Of(
            await connecting,
            (member, call) => member == nameof(IConnection.CreateChannelAsync) && Interlocked.Increment(ref calls) == 1 ? Task.FromException<IChannel>(new OperationCanceledException()) : call());
    }
}
