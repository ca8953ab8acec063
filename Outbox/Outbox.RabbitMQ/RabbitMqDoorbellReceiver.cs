using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Outbox.RabbitMQ;

/// <summary>Hears rings over as many connections as it takes. Its queue belongs to the connection and is bound for the sources that somebody listens for.</summary>
internal sealed class RabbitMqDoorbellReceiver : IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfterRefusal = TimeSpan.FromMinutes(1);

    private readonly RabbitMqConnection _connection;
    private readonly RabbitMqOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly DoorbellListeners _listeners;
    private readonly OutboxSignal _changed = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private bool _isRefused;
    private bool _isAway;

    public RabbitMqDoorbellReceiver(RabbitMqConnection connection, RabbitMqOptions options, TimeProvider time, ILogger logger)
    {
        (_connection, _options, _time, _logger) = (connection, options, time, logger);
        _listeners = new DoorbellListeners(_changed.Wake);
        _loop = Task.Run(RunAsync);
    }

    public IDisposable Listen(string source, Action onRing) => _listeners.Add(source, onRing);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (!_stop.IsCancellationRequested)
        {
            var delay = Backoff.Delay(++failures, FirstRetry, LongestRetry);
            try
            {
                await ListenUntilLostAsync(() => failures = 0).ConfigureAwait(false);
                delay = FirstRetry;
            }
            catch (Exception exception) when ((RabbitMqErrors.IsFromBroker(exception) || exception is OperationCanceledException) && !_stop.IsCancellationRequested)
            {
                var error = RabbitMqErrors.Translate(exception, _options, "listening to the doorbell");
                if (!error.IsTransient)
                    delay = RetryAfterRefusal;
                Failed(error);
            }
            await Task.Delay(delay, _time, _stop.Token).ConfigureAwait(false);
        }
    }

    private void Failed(TransportException error)
    {
        if (error.IsTransient && !_isAway && !_isRefused)
        {
            _isAway = true;
            Log.DoorbellNotHeard(_logger, error.Message);
        }
        else if (!error.IsTransient && !_isRefused)
        {
            _isRefused = true;
            Log.DoorbellRefused(_logger, RabbitMqDoorbell.Exchange, error.Message);
        }
    }

    private async Task ListenUntilLostAsync(Action onListening)
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
        // After a restart of the broker the exchange may be gone, and the queue is.
        await RabbitMqDoorbell.EnsureExchangeAsync(channel, _options.Topology, _stop.Token).ConfigureAwait(false);
        var queue = $"{RabbitMqDoorbell.Exchange}.{Guid.CreateVersion7():N}";
        // A process that stands still collects a few rings and no more; any one of them is as good as all.
        var arguments = new Dictionary<string, object?> { ["x-queue-type"] = "classic", ["x-max-length"] = 1_000, ["x-overflow"] = "drop-head" };
        await channel.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true, arguments, cancellationToken: _stop.Token).ConfigureAwait(false);
        var changed = _changed.Next;
        var bound = new HashSet<string>(StringComparer.Ordinal);
        await BindAsync(channel, queue, bound).ConfigureAwait(false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, received) =>
        {
            _listeners.Heard(received.RoutingKey);
            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) =>
        {
            lost.TrySetResult();
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer, _stop.Token).ConfigureAwait(false);
        onListening();
        if (_isAway)
            Log.DoorbellHeardAgain(_logger);
        _isAway = false;
        _listeners.MayHaveMissed();
        try
        {
            while (await Task.WhenAny(lost.Task, changed).WaitAsync(_stop.Token).ConfigureAwait(false) != lost.Task)
            {
                changed = _changed.Next;
                await BindAsync(channel, queue, bound).ConfigureAwait(false);
            }
        }
        finally
        {
            if (channel.IsOpen)
                await channel.CloseAsync(200, "Goodbye", abort: true, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Binds the queue for what is listened for now, and for nothing else.</summary>
    private async Task BindAsync(IChannel channel, string queue, HashSet<string> bound)
    {
        var wanted = _listeners.Sources;
        foreach (var source in wanted.Where(s => !bound.Contains(s)).ToList())
        {
            await channel.QueueBindAsync(queue, RabbitMqDoorbell.Exchange, source, cancellationToken: _stop.Token).ConfigureAwait(false);
            bound.Add(source);
        }
        foreach (var source in bound.Except(wanted).ToList())
        {
            await channel.QueueUnbindAsync(queue, RabbitMqDoorbell.Exchange, source, cancellationToken: _stop.Token).ConfigureAwait(false);
            bound.Remove(source);
        }
    }
}
