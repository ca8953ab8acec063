using System.Threading.Channels;
using Outbox.Diagnostics;
using Outbox.Messages;

namespace Outbox.Transport;

/// <summary>A transport inside one process, with RabbitMQ's semantics: topic routing, confirms, unroutable messages, redelivery of what was not accepted, dead-letter queues.</summary>
/// <remarks>For tests and for programs with nothing installed. It keeps messages in memory only: what is in a queue when the process ends is gone, whatever the outbox believes.</remarks>
public sealed class InMemoryTransport : ITransport, ITransportState
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, InMemoryQueue> _queues = new(StringComparer.Ordinal);
    private readonly List<(string Exchange, string Pattern, InMemoryQueue Queue, int Partition, int Partitions)> _bindings = [];
    private readonly InMemoryDoorbell _doorbell = new();

    /// <inheritdoc/>
    public IDoorbell Doorbell => _doorbell;

    string ITransportState.System => "in_memory";

    TransportStanding ITransportState.Publishing => TransportStanding.Connected;

    TransportStanding ITransportState.Consuming => TransportStanding.Connected;

    /// <summary>Declares a queue and binds it, as a consumer would, so that it collects messages before its consumer comes.</summary>
    public void Bind(string queue, string exchange, params IReadOnlyCollection<string> types)
    {
        ArgumentNullException.ThrowIfNull(types);
        Bind(queue, exchange, types, partitions: 1);
    }

    private void Bind(string queue, string exchange, IReadOnlyCollection<string> types, int partitions)
    {
        lock (_lock)
        {
            for (var partition = 0; partition < partitions; partition++)
            {
                var declared = Declare(PartitionSlot.QueueOf(queue, partition, partitions));
                foreach (var type in types)
                {
                    if (!_bindings.Contains((exchange, type, declared, partition, partitions)))
                        _bindings.Add((exchange, type, declared, partition, partitions));
                }
            }
        }
    }

    /// <inheritdoc/>
    public Task DeclareAsync(SubscriptionOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        Bind(options.Queue, options.Exchange, options.Types, options.Partitions);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken)
    {
        lock (_lock)
            return Task.FromResult(_queues.ContainsKey(queue));
    }

    /// <summary>Deletes a queue with its messages and bindings.</summary>
    public void DeleteQueue(string queue)
    {
        lock (_lock)
        {
            _bindings.RemoveAll(b => b.Queue.Name == queue);
            _queues.Remove(queue);
        }
    }

    /// <summary>How many messages wait in a queue, those being handled included; 0 when there is no such queue.</summary>
    public int Count(string queue)
    {
        lock (_lock)
            return _queues.TryGetValue(queue, out var found) ? found.Count : 0;
    }

    /// <inheritdoc/>
    public Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (options.Queue is { } queue && !_queues.ContainsKey(queue))
                throw new TransportException($"Queue '{queue}' does not exist.", isTransient: false);
        }
        return Task.FromResult<IPublishChannel>(new PublishChannel(this, options));
    }

    /// <inheritdoc/>
    public Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(onDelivery);
        cancellationToken.ThrowIfCancellationRequested();
        Bind(options.Queue, options.Exchange, options.Types, options.Partitions);
        InMemoryQueue queue;
        lock (_lock)
            queue = Declare(options.ReadQueue);
        return Task.FromResult<IAsyncDisposable>(new InMemorySubscription(queue, options, onDelivery));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private bool Route(string exchange, Envelope envelope)
    {
        lock (_lock)
        {
            var message = default(InMemoryMessage);
            var reached = new HashSet<InMemoryQueue>();
            var slot = -1;
            foreach (var (boundTo, pattern, queue, partition, partitions) in _bindings)
            {
                if (boundTo != exchange || !TopicPattern.Matches(pattern, envelope.Type))
                    continue;
                if (partitions > 1 && PartitionSlot.PartitionOf(slot = slot < 0 ? PartitionSlot.Of(envelope) : slot, partitions) != partition)
                    continue;
                if (!reached.Add(queue))
                    continue;
                // The body may be reused by the writer after the call, so a copy is kept.
                message ??= new InMemoryMessage(exchange, envelope, envelope.Body.ToArray());
                queue.Add(message);
            }
            return reached.Count > 0;
        }
    }

    private bool RouteTo(string name, Envelope envelope)
    {
        lock (_lock)
        {
            if (!_queues.TryGetValue(name, out var queue))
                return false;
            queue.Add(new InMemoryMessage("", envelope, envelope.Body.ToArray()));
            return true;
        }
    }

    private InMemoryQueue Declare(string name)
    {
        if (_queues.TryGetValue(name, out var queue))
            return queue;
        queue = new InMemoryQueue(name, message =>
        {
            lock (_lock)
                Declare(name + ".dead").Add(message);
        });
        return _queues[name] = queue;
    }

    private sealed class InMemoryDoorbell : IDoorbell
    {
        private readonly DoorbellListeners _listeners = new();

        public void Ring(string source)
        {
            OutboxMetrics.DoorbellRung.Add(1, new KeyValuePair<string, object?>("source", source));
            _listeners.Heard(source);
        }

        public IDisposable Listen(string source, Action onRing) => _listeners.Add(source, onRing);
    }

    private sealed class PublishChannel(InMemoryTransport transport, PublishChannelOptions options) : IPublishChannel
    {
        private readonly Channel<PublishResult> _results = Channel.CreateUnbounded<PublishResult>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

        public ChannelReader<PublishResult> Results => _results.Reader;

        public ValueTask PublishAsync(Envelope envelope, long ticket, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var isRouted = options.Queue is { } queue ? transport.RouteTo(queue, envelope) : transport.Route(options.Exchange, envelope);
            var result = isRouted
                ? new PublishResult(ticket, PublishOutcome.Confirmed)
                : new PublishResult(ticket, PublishOutcome.Unroutable, options.Queue is null ? $"no queue is bound to exchange '{options.Exchange}' for type '{envelope.Type}'" : $"queue '{options.Queue}' is gone");
            if (!_results.Writer.TryWrite(result))
                throw new TransportException("The channel is closed.", isTransient: true);
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            _results.Writer.TryComplete();
            return ValueTask.CompletedTask;
        }
    }
}
