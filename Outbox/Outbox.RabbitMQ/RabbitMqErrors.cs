using System.Net.Sockets;
using System.Security.Authentication;
using Outbox.Transport;
using RabbitMQ.Client.Exceptions;

namespace Outbox.RabbitMQ;

/// <summary>What an error of the client library means. The only place that knows AMQP's reply codes.</summary>
internal static class RabbitMqErrors
{
    public static bool IsFromBroker(Exception exception) =>
        exception is RabbitMQClientException or SocketException or IOException or TimeoutException or ObjectDisposedException or AuthenticationException or System.Threading.Channels.ChannelClosedException;

    public static TransportException Translate(Exception exception, RabbitMqOptions options, string doing)
    {
        var place = RabbitMqHosts.Of(options);
        for (var e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                // Not its base, "possibly caused by authentication failure": that is any handshake that breaks off, as one with a server that is just starting does.
                case AuthenticationFailureException:
                    return new TransportException($"RabbitMQ at {place} refuses the user name or password. Check the RabbitMQ URI and that the user may enter the virtual host.", isTransient: false, exception);
                case ProtocolVersionMismatchException or PacketNotRecognizedException or MalformedFrameException:
                    return new TransportException($"A server answers at {place}, but it does not speak AMQP 0-9-1. Check the port: RabbitMQ's own are 5672, and 5671 for TLS.", isTransient: false, exception);
                case OperationInterruptedException { ShutdownReason: { } reason }:
                    // 403 access refused, 406 precondition failed (declared otherwise), 530 not allowed (no such virtual host). 404 heals when the thing is declared.
                    return new TransportException($"RabbitMQ at {place} answered {reason.ReplyCode} {reason.ReplyText} while {doing}.", reason.ReplyCode is not (403 or 406 or 530), exception);
                case SocketException socket:
                    return new TransportException($"RabbitMQ at {place} cannot be reached: {socket.Message}.", isTransient: true, exception);
                case AuthenticationException tls:
                    return new TransportException($"RabbitMQ at {place}: TLS failed: {tls.Message}", isTransient: false, exception);
            }
        }
        return new TransportException($"RabbitMQ at {place} failed while {doing}: {exception.GetBaseException().Message}", isTransient: true, exception);
    }
}
