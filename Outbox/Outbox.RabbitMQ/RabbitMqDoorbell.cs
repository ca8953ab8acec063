using Microsoft.Extensions.Logging;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>The doorbell over RabbitMQ: one direct exchange, the source as routing key, and for each process that listens one queue that goes with its connection.</summary>
/// <remarks>Its messages are empty and not kept. It has channels of its own, so that nothing that the broker refuses here closes those of events.</remarks>
internal sealed class RabbitMqDoorbell : IDoorbell, IAsyncDisposable
{
    /// <summary>The exchange, and what the queues' names begin with: one pattern for a user's rights.</summary>
    internal const string Exchange = "outbox.doorbell";

    private readonly Lock _lock = new();
    private readonly Func<RabbitMqDoorbellSender> _createSender;
    private readonly Func<RabbitMqDoorbellReceiver> _createReceiver;
    private RabbitMqDoorbellSender? _sender;
    private RabbitMqDoorbellReceiver? _receiver;
    private bool _disposed;

    public RabbitMqDoorbell(RabbitMqConnection ringing, RabbitMqConnection listening, RabbitMqOptions options, TimeProvider time, ILogger logger)
    {
        _createSender = () => new RabbitMqDoorbellSender(ringing, options, time, logger);
        _createReceiver = () => new RabbitMqDoorbellReceiver(listening, options, time, logger);
    }

    public void Ring(string source)
    {
        RabbitMqDoorbellSender sender;
        lock (_lock)
        {
            if (_disposed)
                return;
            sender = _sender ??= _createSender();
        }
        sender.Ring(source);
    }

    public IDisposable Listen(string source, Action onRing)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(onRing);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _receiver ??= _createReceiver();
        }
        return _receiver.Listen(source, onRing);
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
        }
        if (_sender is not null)
            await _sender.DisposeAsync().ConfigureAwait(false);
        if (_receiver is not null)
            await _receiver.DisposeAsync().ConfigureAwait(false);
    }

    internal static async Task EnsureExchangeAsync(IChannel channel, TopologyMode mode, CancellationToken cancellationToken)
    {
        if (mode == TopologyMode.Declare)
            await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Direct, durable: true, autoDelete: false, cancellationToken: cancellationToken).ConfigureAwait(false);
    }
}
