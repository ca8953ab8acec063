using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Outbox.RabbitMQ;

/// <summary>Reads one queue, over as many connections and channels as it takes.</summary>
internal sealed class RabbitMqSubscription : IAsyncDisposable
{
    private const int MostGathered = 64;
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(1);

    private readonly RabbitMqConnection _connection;
    private readonly RabbitMqOptions _rabbitMq;
    private readonly SubscriptionOptions _options;
    private readonly Func<Delivery, CancellationToken, ValueTask> _onDelivery;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _loop;
    private bool _hasMissedSlots;
    private bool _isAgain;

    public RabbitMqSubscription(RabbitMqConnection connection, RabbitMqOptions rabbitMq, SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, TimeProvider time, ILogger logger)
    {
        (_connection, _rabbitMq, _options, _onDelivery, _time, _logger) = (connection, rabbitMq, options, onDelivery, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Completes when the queue is being read for the first time; fails if the broker refuses it for good.</summary>
    public Task Started => _started.Task;

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _started.TrySetCanceled();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await ReadUntilLostAsync(() => failures = 0).ConfigureAwait(false);
                Log.SubscriptionLost(_logger, _options.ReadQueue);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception) || exception is OperationCanceledException)
            {
                var error = RabbitMqErrors.Translate(exception, _rabbitMq, $"subscribing to queue '{_options.ReadQueue}'");
                if (!error.IsTransient && _started.TrySetException(error))
                    return;
                Log.SubscriptionFailed(_logger, _options.ReadQueue, error.Message);
            }
            try
            {
                await Task.Delay(Backoff.Delay(++failures, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(5)), _time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task ReadUntilLostAsync(Action onReading)
    {
        var connection = await _connection.GetAsync(_stop.Token).ConfigureAwait(false);
        var channel = await connection.Connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false, consumerDispatchConcurrency: 1), _stop.Token).ConfigureAwait(false);
        await using var _ = channel.ConfigureAwait(false);
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        channel.ChannelShutdownAsync += (_, _) =>
        {
            lost.TrySetResult();
            return Task.CompletedTask;
        };
        // After a restart of the broker the exchange or the queue may be gone, so they are declared each time.
        await DeclareAsync(channel, connection).ConfigureAwait(false);
        await channel.BasicQosAsync(0, _options.Prefetch, global: false, _stop.Token).ConfigureAwait(false);
        var tags = new DeliveryTags(channel, Math.Clamp(_options.Prefetch / 4, 1, MostGathered));
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, received) =>
        {
            var delivery = Read(tags, received);
            MissesItsSlot(received.BasicProperties, delivery);
            return _onDelivery(delivery, _stop.Token).AsTask();
        };
        // The broker cancels a consumer whose queue was deleted, or whose queue moved to another node.
        consumer.UnregisteredAsync += (_, _) =>
        {
            lost.TrySetResult();
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(_options.ReadQueue, autoAck: false, consumer, _stop.Token).ConfigureAwait(false);
        onReading();
        _started.TrySetResult();
        try
        {
            await lost.Task.WaitAsync(_stop.Token).ConfigureAwait(false);
        }
        finally
        {
            // A connection that has stopped taking bytes must not hold up the end. What was not accepted is delivered again.
            await tags.FlushAsync().AsTask().WaitAsync(FlushPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (channel.IsOpen)
                await channel.CloseAsync(200, "Goodbye", abort: true, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Sixty queues that are read on one connection are declared once, not sixty times; and again after this channel was lost, for its queue may be gone.</summary>
    private async Task DeclareAsync(IChannel channel, RabbitMqConnection.Open connection)
    {
        if (_options.Partitions == 1)
        {
            await RabbitMqTopology.EnsureQueueAsync(channel, _options, _rabbitMq.Topology, connection.Version, _stop.Token).ConfigureAwait(false);
            return;
        }
        var name = RabbitMqTopology.SpreadOf(_options);
        await connection.Declaring.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            if (_isAgain)
                connection.Declared.Remove(name);
            if (!connection.Declared.Contains(name))
                await RabbitMqTopology.EnsureQueueAsync(channel, _options, _rabbitMq.Topology, connection.Version, _stop.Token).ConfigureAwait(false);
            // To verify one queue says nothing about the others.
            if (_rabbitMq.Topology == TopologyMode.Declare)
                connection.Declared.Add(name);
        }
        finally
        {
            _isAgain = true;
            connection.Declaring.Release();
        }
    }

    /// <summary>Says once that messages with a key come without the header that would spread them.</summary>
    private void MissesItsSlot(IReadOnlyBasicProperties properties, Delivery delivery)
    {
        if (_options.Partitions == 1 || _hasMissedSlots || properties.Headers?.ContainsKey(PartitionSlot.Header) == true || !delivery.Headers.ContainsKey(MessageHeaders.PartitionKey))
            return;
        _hasMissedSlots = true;
        Log.SlotMissing(_logger, _options.ReadQueue, delivery.Type ?? "(no type)", delivery.Headers.GetValueOrDefault(MessageHeaders.Source) ?? "(none)");
    }

    private static RabbitMqDelivery Read(DeliveryTags tags, BasicDeliverEventArgs received) => new(tags, received.DeliveryTag)
    {
        MessageId = received.BasicProperties.MessageId,
        Type = received.BasicProperties.Type,
        ContentType = received.BasicProperties.ContentType,
        Headers = ForeignHeaders.Read(received.BasicProperties),
        // The library reuses its buffer after the event; the delivery lives on.
        Body = received.Body.ToArray(),
        Exchange = received.Exchange,
        RoutingKey = received.RoutingKey,
        Redelivered = received.Redelivered,
    };
}
