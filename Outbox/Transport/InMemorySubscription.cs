using System.Globalization;
using Outbox.Messages;

namespace Outbox.Transport;

/// <summary>Hands a queue's messages to one consumer, at most the prefetch count of them at a time.</summary>
internal sealed class InMemorySubscription : IAsyncDisposable
{
    private readonly InMemoryQueue _queue;
    private readonly SubscriptionOptions _options;
    private readonly Func<Delivery, CancellationToken, ValueTask> _onDelivery;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _places;
    private readonly Lock _lock = new();
    private readonly HashSet<long> _held = [];
    private readonly Task _loop;
    private volatile bool _isOver;

    public InMemorySubscription(InMemoryQueue queue, SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery)
    {
        (_queue, _options, _onDelivery) = (queue, options, onDelivery);
        _places = new SemaphoreSlim(options.Prefetch);
        queue.Join(this);
        _loop = Task.Run(() => RunAsync(_stop.Token));
    }

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        long[] held;
        lock (_lock)
        {
            _isOver = true;
            held = [.. _held];
            _held.Clear();
        }
        // What was not accepted is delivered again, to whoever consumes next.
        foreach (var number in held)
            _queue.Requeue(number);
        _queue.Leave(this);
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
            long number;
            InMemoryMessage message;
            bool redelivered;
            while (!_queue.TryTake(this, _options.SingleActiveConsumer, out number, out message, out redelivered, out var changed))
                await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            lock (_lock)
                _held.Add(number);
            var envelope = message.Envelope;
            await _onDelivery(new InMemoryDelivery(this, number)
            {
                MessageId = envelope.MessageId.ToString("D"),
                Type = envelope.Type,
                ContentType = envelope.ContentType,
                Headers = HeadersOf(envelope),
                Body = message.Body,
                Exchange = message.Exchange,
                RoutingKey = envelope.Type,
                Redelivered = redelivered,
            }, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Settle(long number, Action<long> settle)
    {
        lock (_lock)
        {
            if (!_held.Remove(number))
                return;
        }
        settle(number);
        _places.Release();
    }

    private static Dictionary<string, string> HeadersOf(Envelope envelope)
    {
        var headers = new Dictionary<string, string>(envelope.Headers, StringComparer.Ordinal)
        {
            [MessageHeaders.SpecVersion] = "1.0",
            [MessageHeaders.Id] = envelope.MessageId.ToString("D"),
            [MessageHeaders.Source] = envelope.Source,
            [MessageHeaders.Type] = envelope.Type,
            [MessageHeaders.Time] = envelope.CreatedAt.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        };
        if (envelope.PartitionKey is not null)
            headers[MessageHeaders.PartitionKey] = envelope.PartitionKey;
        if (envelope.KeySequence is { } sequence)
            headers[MessageHeaders.KeySequence] = sequence.ToString(CultureInfo.InvariantCulture);
        return headers;
    }

    private sealed class InMemoryDelivery(InMemorySubscription subscription, long number) : Delivery
    {
        public override bool IsLost => subscription._isOver;

        public override ValueTask AcceptAsync()
        {
            subscription.Settle(number, subscription._queue.Accept);
            return ValueTask.CompletedTask;
        }

        public override ValueTask RequeueAsync()
        {
            subscription.Settle(number, subscription._queue.Requeue);
            return ValueTask.CompletedTask;
        }

        public override ValueTask RejectAsync()
        {
            subscription.Settle(number, subscription._queue.Reject);
            return ValueTask.CompletedTask;
        }
    }
}
