using Outbox.RabbitMQ;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Broker.Tests.Unit;

internal sealed class RabbitMqErrorsTests
{
    private static readonly RabbitMqOptions Options = new() { Uri = new Uri("amqp://guest:secret@broker.internal/") };

    [Test]
    public void A_refused_password_is_final_and_not_repeated()
    {
        var error = RabbitMqErrors.Translate(new BrokerUnreachableException(new AuthenticationFailureException("ACCESS_REFUSED")), Options, "connecting");

        Assert.That((error.IsTransient, error.Message), Is.EqualTo((false, "RabbitMQ at broker.internal:5672 refuses the user name or password. Check the RabbitMQ URI and that the user may enter the virtual host.")));
    }

    [Test]
    public void A_handshake_that_breaks_off_is_waited_for()
    {
        var broken = new PossibleAuthenticationFailureException("Possibly caused by authentication failure", new OperationInterruptedException(new ShutdownEventArgs(global::RabbitMQ.Client.ShutdownInitiator.Library, 0, "End of stream")));

        Assert.That(RabbitMqErrors.Translate(new BrokerUnreachableException(broken), Options, "connecting").IsTransient, Is.True);
    }
}
