using Outbox.Transport;

namespace Shop.Conductor;

/// <summary>Reads a copy of everything that is published, and counts it without asking the services.</summary>
internal sealed class MessageTap : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _ids = [];
    private readonly Dictionary<string, long> _distinct = [];
    private IAsyncDisposable? _subscription;
    private long _copies;

    public async Task StartAsync(RunPlan plan, ITransport transport, CancellationToken cancellationToken) =>
        _subscription = await transport.SubscribeAsync(
            new SubscriptionOptions { Queue = plan.TapQueue, Exchange = plan.Exchange, Types = ["#"] }, (delivery, _) => TakeAsync(delivery), cancellationToken);

    /// <summary>Different messages of all types.</summary>
    public long Distinct
    {
        get
        {
            lock (_lock)
                return _ids.Count;
        }
    }

    /// <summary>Messages that were published again because their confirm had not been seen.</summary>
    public long Copies
    {
        get
        {
            lock (_lock)
                return _copies;
        }
    }

    /// <summary>Different messages of one type.</summary>
    public long DistinctOf(string type)
    {
        lock (_lock)
            return _distinct.GetValueOrDefault(type);
    }

    public ValueTask DisposeAsync() => _subscription?.DisposeAsync() ?? ValueTask.CompletedTask;

    private ValueTask TakeAsync(Delivery delivery)
    {
        lock (_lock)
        {
            if (_ids.Add(delivery.MessageId!))
                _distinct[delivery.Type!] = _distinct.GetValueOrDefault(delivery.Type!) + 1;
            else if (!delivery.Redelivered)
                // A redelivery is the queue's doing, to us alone: the message was published once.
                _copies++;
        }
        return delivery.AcceptAsync();
    }
}
