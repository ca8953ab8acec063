using System.Threading.Channels;
using Outbox.Messages;

namespace Outbox.Transport;

/// <summary>A transport inside one process, with RabbitMQ's semantics: topic routing, confirms, unroutable messages, redelivery of what was not accepted, dead-letter queues.</summary>
/// <remarks>For tests and for programs with nothing installed. It keeps messages in memory only: what is in a queue when the process ends is gone, whatever the outbox believes.</remarks>
public sealed class InMemoryTransport : ITransport
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, InMemoryQueue> _queues = new(StringComparer.Ordinal);
    private readonly List<(string Exchange, string Pattern, InMemoryQueue Queue)> _bindings = [];

    /// <summary>Declares a queue and binds it, as a consumer would, so that it collects messages before its consumer comes.</summary>
    public void Bind(string queue, string exchange, params IReadOnlyCollection<string> types)
    {
        ArgumentNullException.ThrowIfNull(types);
        lock (_lock)
        {
            var declared = Declare(queue);
            foreach (var type in types)
            {
                if (!_bindings.Contains((exchange, type, declared)))
                    _bindings.Add((exchange, type, declared));
            }
        }
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
        Bind(options.Queue, options.Exchange, options.Types);
        InMemoryQueue queue;
        lock (_lock)
            queue = Declare(options.Queue);
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
            foreach (var (boundTo, pattern, queue) in _bindings)
            {
                if (boundTo != exchange || !TopicPattern.Matches(pattern, envelope.Type) || !reached.Add(queue))
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
