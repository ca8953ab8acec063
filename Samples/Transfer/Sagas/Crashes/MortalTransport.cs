using Outbox.Transport;

namespace Transfer.Sagas.Crashes;

/// <summary>A transport that may die with a message in its hands.</summary>
internal sealed class MortalTransport(ITransport inner, CrashPoint crash) : ITransport
{
    public IDoorbell Doorbell => inner.Doorbell;

    public async Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken) =>
        new MortalChannel(await inner.OpenPublishChannelAsync(options, cancellationToken), crash);

    public Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken) =>
        inner.SubscribeAsync(
            options,
            (delivery, stopped) =>
            {
                crash.Reach(CrashPoint.BeforeHandle, CrashPoint.NameOf(delivery.Type, delivery.Body));
                return onDelivery(delivery, stopped);
            },
            cancellationToken);

    public Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) => inner.HasQueueAsync(queue, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
