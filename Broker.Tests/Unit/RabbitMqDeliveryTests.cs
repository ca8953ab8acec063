using System.Threading.Channels;
using Broker.Tests.Support;
using Outbox.RabbitMQ;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Broker.Tests.Unit;

internal sealed class RabbitMqDeliveryTests
{
    private static readonly Exception[] LostConnections =
    [
        // What the library's own queue of frames says once its connection is closing.
        new ChannelClosedException(),
        new AlreadyClosedException(new ShutdownEventArgs(ShutdownInitiator.Library, 541, "the connection broke")),
        new IOException("Broken pipe"),
        new ObjectDisposedException("channel"),
    ];

    [TestCaseSource(nameof(LostConnections))]
    public void Settling_a_delivery_whose_connection_closes_at_that_moment_is_no_error(Exception exception)
    {
        var delivery = new RabbitMqDelivery(new DeliveryTags(Channel(exception)), 1);

        Assert.That(delivery.IsLost, Is.False, "it is found only by the call");
        Assert.That(async () => await delivery.AcceptAsync(), Throws.Nothing);
        Assert.That(async () => await delivery.RequeueAsync(), Throws.Nothing);
        Assert.That(async () => await delivery.RejectAsync(), Throws.Nothing);
    }

    [Test]
    public void An_error_of_our_own_is_not_hidden() =>
        Assert.That(async () => await new RabbitMqDelivery(new DeliveryTags(Channel(new InvalidOperationException("a bug"))), 1).AcceptAsync(), Throws.InvalidOperationException);

    private static IChannel Channel(Exception exception) =>
        Intercepted.Of<IChannel>(null, (member, _) => member == "get_IsOpen" ? true : throw exception);
}
