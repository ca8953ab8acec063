using System.Threading.Channels;
using Outbox.Transport;

namespace Broker.Tests.Support;

/// <summary>A subscription whose deliveries are taken one by one by the test.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly Channel<Delivery> _deliveries = Channel.CreateUnbounded<Delivery>();
    private IAsyncDisposable? _subscription;

    public static async Task<Receiver> OnAsync(ITransport transport, SubscriptionOptions options)
    {
        var receiver = new Receiver();
        receiver._subscription = await transport.SubscribeAsync(options, (delivery, _) => receiver._deliveries.Writer.WriteAsync(delivery, CancellationToken.None), CancellationToken.None)
            .WaitAsync(TimeSpan.FromSeconds(60));
        return receiver;
    }

    public Task<Delivery> NextAsync() => _deliveries.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

    public async Task<IReadOnlyList<Delivery>> NextAsync(int count)
    {
        var deliveries = new List<Delivery>(count);
        while (deliveries.Count < count)
            deliveries.Add(await NextAsync());
        return deliveries;
    }

    public bool TryNext(out Delivery? delivery) => _deliveries.Reader.TryRead(out delivery);

    public ValueTask DisposeAsync() => _subscription?.DisposeAsync() ?? ValueTask.CompletedTask;
}
