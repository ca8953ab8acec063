namespace Outbox.Transport;

/// <summary>Carries messages from relays to consumers. Thread-safe.</summary>
/// <remarks>A transport connects when it is first used and reconnects by itself; each channel belongs to one writer.</remarks>
public interface ITransport : IAsyncDisposable
{
    /// <summary>Opens a channel for one writer.</summary>
    /// <exception cref="TransportException">The broker cannot be reached or refuses, or has no such queue; <see cref="TransportException.IsTransient"/> tells whether trying again can help.</exception>
    Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken);

    /// <summary>Receives the messages of a queue until the subscription is disposed; re-declares and re-subscribes after each loss of the connection.</summary>
    /// <param name="options">The queue, what it is bound to, and how much is handed over at once.</param>
    /// <param name="onDelivery">Called once per delivery, one after another in the queue's order, and must only take the delivery over: it is accepted, requeued or rejected later by the delivery's own methods.</param>
    /// <param name="cancellationToken">Ends the wait for the first connection.</param>
    /// <exception cref="TransportException">The broker refuses the queue or the user for good.</exception>
    Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken);
}
