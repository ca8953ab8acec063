using System.Threading.Channels;
using Outbox.Messages;
using Outbox.Transport;

namespace Outbox.Testing;

/// <summary>A consumer's subscription, whose deliveries can come late, in another order, or once more.</summary>
internal sealed class HarnessSubscription : IAsyncDisposable
{
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(5);

    private readonly InMemoryTransport _transport;
    private readonly HarnessFaults _faults;
    private readonly SubscriptionOptions _options;
    private readonly Func<Delivery, CancellationToken, ValueTask> _onDelivery;
    private readonly Action<HarnessSubscription> _ended;
    private readonly Channel<HarnessDelivery> _arrived = Channel.CreateUnbounded<HarnessDelivery>();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _connecting = new(1);
    private readonly Task _loop;
    private IAsyncDisposable? _inner;
    private int _connection;

    public HarnessSubscription(InMemoryTransport transport, HarnessFaults faults, SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, Action<HarnessSubscription> ended)
    {
        (_transport, _faults, _options, _onDelivery, _ended) = (transport, faults, options, onDelivery, ended);
        _loop = Task.Run(() => RunAsync(_stop.Token));
    }

    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var connection = Volatile.Read(ref _connection);
        _inner = await _transport.SubscribeAsync(_options, (delivery, token) => _arrived.Writer.WriteAsync(new HarnessDelivery(this, delivery, connection), token), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Loses the connection and makes another: what was not accepted comes again, and what is accepted from now on over the old one is not.</summary>
    public async Task ReconnectAsync()
    {
        await _connecting.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_stop.IsCancellationRequested)
                return;
            Interlocked.Increment(ref _connection);
            if (_inner is { } inner)
                await inner.DisposeAsync().ConfigureAwait(false);
            await ConnectAsync(CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _connecting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _connecting.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_stop.IsCancellationRequested)
                return;
            await _stop.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            _connecting.Release();
        }
        _ended(this);
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_inner is { } inner)
            await inner.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var deliveries = new List<HarnessDelivery> { await _arrived.Reader.ReadAsync(cancellationToken).ConfigureAwait(false) };
            if (_faults.Window is > 1 and var window)
            {
                await Task.Delay(Gathering, cancellationToken).ConfigureAwait(false);
                while (deliveries.Count < window && _arrived.Reader.TryRead(out var next))
                    deliveries.Add(next);
                deliveries = _faults.Shuffle(deliveries, d => d.Headers.GetValueOrDefault(MessageHeaders.PartitionKey));
            }
            foreach (var delivery in deliveries)
            {
                if (_faults.NextDelay() is var delay && delay > TimeSpan.Zero)
                    await Task.Delay(delay, cancellationToken).ConfigureAwait(false);
                await _onDelivery(delivery, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private sealed class HarnessDelivery : Delivery
    {
        private readonly HarnessSubscription _subscription;
        private readonly Delivery _inner;
        private readonly int _connection;

        public HarnessDelivery(HarnessSubscription subscription, Delivery inner, int connection)
        {
            (_subscription, _inner, _connection) = (subscription, inner, connection);
            (MessageId, Type, ContentType, Headers, Body) = (inner.MessageId, inner.Type, inner.ContentType, inner.Headers, inner.Body);
            (Exchange, RoutingKey, Redelivered) = (inner.Exchange, inner.RoutingKey, inner.Redelivered);
        }

        public override bool IsLost => Volatile.Read(ref _subscription._connection) != _connection;

        public override ValueTask AcceptAsync() => _subscription._faults.IsAcceptLost() ? _inner.RequeueAsync() : _inner.AcceptAsync();

        public override ValueTask RequeueAsync() => _inner.RequeueAsync();

        public override ValueTask RejectAsync() => _inner.RejectAsync();
    }
}
