using System.Threading.Channels;
using Outbox.Messages;

namespace Outbox.Transport;

/// <summary>Publishes in order with confirms, for one writer at a time.</summary>
/// <remarks>Every ticket handed to <see cref="PublishAsync"/> comes back exactly once in <see cref="Results"/>, also when the channel is lost: then as <see cref="PublishOutcome.Unknown"/>.</remarks>
public interface IPublishChannel : IAsyncDisposable
{
    /// <summary>Sends <paramref name="envelope"/>; completes when it is handed to the broker, which says nothing yet about its fate. Waits while the window of unconfirmed messages is full or the broker blocks publishers.</summary>
    /// <param name="envelope">The message. Its body may be reused as soon as the call completes.</param>
    /// <param name="ticket">The caller's own number, given back in the result.</param>
    /// <param name="cancellationToken">Ends the wait for a place in the window; the message is then not sent and its ticket does not come back.</param>
    /// <exception cref="TransportException">The channel is lost. The ticket of this call does not come back.</exception>
    ValueTask PublishAsync(Envelope envelope, long ticket, CancellationToken cancellationToken);

    /// <summary>The fates of the sent messages, in no particular order. Completes after the channel is lost or disposed and every ticket has come back.</summary>
    ChannelReader<PublishResult> Results { get; }
}
