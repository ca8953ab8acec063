using Microsoft.Extensions.Logging;
using Outbox.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Outbox.RabbitMQ;

/// <summary>Stage 4 of a message's way: RabbitMQ, with publisher confirms, mandatory routing and persistent messages, none of which can be switched off (G2).</summary>
/// <remarks>Publishing and consuming have a connection each, so that a broker that blocks publishers still takes accepts.</remarks>
public sealed class RabbitMqTransport : ITransport, ITransportState
{
    private readonly RabbitMqOptions _options;
    private readonly RabbitMqConnection _publishing;
    private readonly RabbitMqConnection _consuming;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly RabbitMqDoorbell _doorbell;

    /// <summary>Creates the transport; it connects when it is first used.</summary>
    /// <exception cref="OutboxConfigurationException">A setting is not valid.</exception>
    public RabbitMqTransport(RabbitMqOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);
        options.Validate();
        _options = options;
        _time = time;
        _logger = loggers.CreateLogger<RabbitMqTransport>();
        _publishing = new RabbitMqConnection(options, "publisher", _logger);
        _consuming = new RabbitMqConnection(options, "consumer", _logger);
        _doorbell = new RabbitMqDoorbell(_publishing, _consuming, options, time, _logger);
    }

    /// <inheritdoc/>
    /// <remarks>A direct exchange <c>outbox.doorbell</c>, and for each process that listens an exclusive queue <c>outbox.doorbell.…</c>. A user without rights to them gets one warning, and relays look by themselves.</remarks>
    public IDoorbell Doorbell => _doorbell;

    string ITransportState.System => "rabbitmq";

    TransportStanding ITransportState.Publishing => _publishing.Standing;

    TransportStanding ITransportState.Consuming => _consuming.Standing;

    /// <inheritdoc/>
    public async Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            return await RabbitMqPublishChannel.OpenAsync(await _publishing.GetAsync(cancellationToken).ConfigureAwait(false), options, _options, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException exception) when (options.Queue is not null && exception.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            throw new TransportException($"Queue '{options.Queue}' does not exist.", isTransient: false, exception);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception))
        {
            throw RabbitMqErrors.Translate(exception, _options, options.Queue is { } queue ? $"opening a channel for queue '{queue}'" : $"opening a channel for exchange '{options.Exchange}'");
        }
    }

    /// <inheritdoc/>
    public async Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(onDelivery);
        var subscription = new RabbitMqSubscription(_consuming, _options, options, onDelivery, _time, _logger);
        try
        {
            await subscription.Started.WaitAsync(cancellationToken).ConfigureAwait(false);
            return subscription;
        }
        catch
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task DeclareAsync(SubscriptionOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            var connection = await _consuming.GetAsync(cancellationToken).ConfigureAwait(false);
            var channel = await connection.Connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
            await using var _ = channel.ConfigureAwait(false);
            await RabbitMqTopology.EnsureQueueAsync(channel, options, _options.Topology, connection.Version, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception))
        {
            throw RabbitMqErrors.Translate(exception, _options, $"declaring the queues of '{options.Queue}'");
        }
    }

    /// <inheritdoc/>
    public async Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await _consuming.GetAsync(cancellationToken).ConfigureAwait(false);
            var channel = await connection.Connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
            await using var _ = channel.ConfigureAwait(false);
            await channel.QueueDeclarePassiveAsync(queue, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationInterruptedException exception) when (exception.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception))
        {
            throw RabbitMqErrors.Translate(exception, _options, $"looking for queue '{queue}'");
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _doorbell.DisposeAsync().ConfigureAwait(false);
        await _publishing.DisposeAsync().ConfigureAwait(false);
        await _consuming.DisposeAsync().ConfigureAwait(false);
    }
}
