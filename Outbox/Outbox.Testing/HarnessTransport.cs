using System.Collections.Concurrent;
using System.Threading.Channels;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Receipts;
using Outbox.Transport;

namespace Outbox.Testing;

/// <summary>The transport of a test: in memory, with a record of what was published, and with faults. A message that no queue of the test wants counts as delivered.</summary>
internal sealed class HarnessTransport : ITransport
{
    private readonly InMemoryTransport _inner = new();
    private readonly HarnessFaults _faults;
    private readonly ConcurrentDictionary<string, byte> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<HarnessSubscription, byte> _subscriptions = new();
    private readonly ConcurrentQueue<Published> _published = new();
    private readonly ConcurrentDictionary<Guid, byte> _ids = new();
    private readonly string[] _expected;
    private long _version;

    public HarnessTransport(HarnessOptions options, IEnumerable<ConsumerOptions> consumers)
    {
        _expected = [.. consumers.SelectMany(c => Enumerable.Range(0, c.Partitions).Select(p => PartitionSlot.QueueOf(c.Queue, p, c.Partitions)))];
        _faults = new HarnessFaults(options.Seed);
        _faults.OnDrop(DropConnectionsAsync);
    }

    /// <summary>A message, as it was published first.</summary>
    internal sealed record Published(string Exchange, Envelope Envelope);

    public IDoorbell Doorbell => _inner.Doorbell;

    public HarnessFaults Faults => _faults;

    /// <summary>All messages so far, each once, in the order in which they were published first.</summary>
    public IReadOnlyCollection<Published> Messages => _published;

    /// <summary>The queues of consumers that have not begun yet. Until they have, nothing is taken: it would pass them by.</summary>
    public IReadOnlyList<string> Missing => [.. _expected.Where(q => !_queues.ContainsKey(q))];

    /// <summary>Rises with each message that enters a queue.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>What is in the queues and not accepted, those that are empty left out.</summary>
    public IReadOnlyList<(string Queue, int Messages)> Waiting => [.. _queues.Keys.Order(StringComparer.Ordinal).Select(q => (q, _inner.Count(q))).Where(q => q.Item2 > 0)];

    public Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken) => OpenAsync(options, cancellationToken);

    public async Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken)
    {
        var subscription = new HarnessSubscription(_inner, _faults, options, onDelivery, s => _subscriptions.TryRemove(s, out _));
        await subscription.ConnectAsync(cancellationToken).ConfigureAwait(false);
        _subscriptions.TryAdd(subscription, 0);
        _queues.TryAdd(options.ReadQueue, 0);
        return subscription;
    }

    public Task DeclareAsync(SubscriptionOptions options, CancellationToken cancellationToken) => _inner.DeclareAsync(options, cancellationToken);

    public Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) => _inner.HasQueueAsync(queue, cancellationToken);

    /// <summary>Publishes everything once more, in its order.</summary>
    public async Task PublishAgainAsync(CancellationToken cancellationToken)
    {
        foreach (var exchange in _published.ToList().GroupBy(p => p.Exchange))
        {
            var channel = await _inner.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = exchange.Key }, cancellationToken).ConfigureAwait(false);
            await using var _ = channel.ConfigureAwait(false);
            foreach (var message in exchange)
            {
                Interlocked.Increment(ref _version);
                await channel.PublishAsync(message.Envelope, 0, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private async Task<IPublishChannel> OpenAsync(PublishChannelOptions options, CancellationToken cancellationToken) =>
        new PublishChannel(this, options, await _inner.OpenPublishChannelAsync(options, cancellationToken).ConfigureAwait(false));

    private async Task DropConnectionsAsync()
    {
        foreach (var subscription in _subscriptions.Keys)
            await subscription.ReconnectAsync().ConfigureAwait(false);
    }

    /// <summary>What the product says to itself is nothing that a test asks for.</summary>
    private static bool IsOurOwn(string type) => type == ConsumerAnnouncement.Type || type.StartsWith(ReceiptMessage.TypePrefix, StringComparison.Ordinal);

    private sealed class PublishChannel(HarnessTransport transport, PublishChannelOptions options, IPublishChannel inner) : IPublishChannel
    {
        private readonly Channel<PublishResult> _results = Channel.CreateUnbounded<PublishResult>();

        public ChannelReader<PublishResult> Results => _results.Reader;

        public async ValueTask PublishAsync(Envelope envelope, long ticket, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (transport._faults.IsRefused())
            {
                Write(new PublishResult(ticket, PublishOutcome.Nacked, "the test has the broker refuse it"));
                return;
            }
            if (options.Queue is null && transport.Missing is [var missing, ..])
            {
                Write(new PublishResult(ticket, PublishOutcome.Nacked, $"the consumer of queue '{missing}' has not begun"));
                return;
            }
            // The caller may use the body's memory again.
            var kept = new Envelope
            {
                MessageId = envelope.MessageId,
                Type = envelope.Type,
                Body = envelope.Body.ToArray(),
                ContentType = envelope.ContentType,
                PartitionKey = envelope.PartitionKey,
                KeySequence = envelope.KeySequence,
                Source = envelope.Source,
                CreatedAt = envelope.CreatedAt,
                Headers = envelope.Headers,
            };
            // Before it is in a queue: whoever looks in between sees it on its way.
            Interlocked.Increment(ref transport._version);
            var result = await SendAsync(kept, ticket, cancellationToken).ConfigureAwait(false);
            if (options.Queue is null && !IsOurOwn(kept.Type) && transport._ids.TryAdd(kept.MessageId, 0))
                transport._published.Enqueue(new Published(options.Exchange, kept));
            if (transport._faults.IsDoubled())
                await SendAsync(kept, ticket, cancellationToken).ConfigureAwait(false);
            Write(result.Outcome == PublishOutcome.Unroutable && options.Queue is null ? new PublishResult(ticket, PublishOutcome.Confirmed) : result);
        }

        private void Write(PublishResult result)
        {
            if (!_results.Writer.TryWrite(result))
                throw new TransportException("The channel is closed.", isTransient: true);
        }

        private async Task<PublishResult> SendAsync(Envelope envelope, long ticket, CancellationToken cancellationToken)
        {
            await inner.PublishAsync(envelope, ticket, cancellationToken).ConfigureAwait(false);
            return await inner.Results.ReadAsync(cancellationToken).ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            _results.Writer.TryComplete();
            await inner.DisposeAsync().ConfigureAwait(false);
        }
    }
}
