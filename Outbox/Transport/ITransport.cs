namespace Outbox.Transport;

/// <summary>Carries messages from relays to consumers. Thread-safe.</summary>
/// <remarks>A transport connects when it is first used and reconnects by itself; each channel belongs to one writer.</remarks>
public interface ITransport : IAsyncDisposable
{
    /// <summary>How processes that write tell those that relay. A transport without one need not implement it: relays then look by themselves only.</summary>
    /// <remarks>It uses no connection until somebody rings or listens, and ends with the transport.</remarks>
    IDoorbell Doorbell => SilentDoorbell.Instance;

    /// <summary>Opens a channel for one writer.</summary>
    /// <exception cref="TransportException">The broker cannot be reached or refuses, or has no such queue; <see cref="TransportException.IsTransient"/> tells whether trying again can help.</exception>
    Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken);

    /// <summary>Receives the messages of a queue until the subscription is disposed; re-declares and re-subscribes after each loss of the connection.</summary>
    /// <param name="options">The queue, what it is bound to, and how much is handed over at once.</param>
    /// <param name="onDelivery">Called once per delivery, one after another in the queue's order, and must only take the delivery over: it is accepted, requeued or rejected later by the delivery's own methods.</param>
    /// <param name="cancellationToken">Ends the wait for the first connection.</param>
    /// <exception cref="TransportException">The broker refuses the queue or the user for good.</exception>
    /// <remarks>With partitions, one subscription reads one of the queues. A message's queue depends on nothing but its key and their number; without a key, on its id.</remarks>
    Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken);

    /// <summary>Declares and binds what a subscription reads, so that it collects messages, and reads nothing.</summary>
    /// <exception cref="TransportException">The broker cannot be reached, or refuses.</exception>
    Task DeclareAsync(SubscriptionOptions options, CancellationToken cancellationToken) =>
        throw new TransportException($"{GetType().Name} has no partitioned queues.", isTransient: false);

    /// <summary>Whether a queue exists.</summary>
    /// <exception cref="TransportException">The broker cannot be reached, or refuses.</exception>
    Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) =>
        throw new TransportException($"{GetType().Name} has no partitioned queues.", isTransient: false);
}
