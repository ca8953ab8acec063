using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>Sends rings from one loop, so that whoever rings never waits for the broker. What cannot be sent now is dropped.</summary>
internal sealed class RabbitMqDoorbellSender : IAsyncDisposable
{
    /// <summary>Rings that wait while a channel is being opened. Older ones are worth less.</summary>
    private const int MaxWaiting = 100;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfterRefusal = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestSend = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromMilliseconds(500);

    private static readonly BasicProperties NotKept = new() { DeliveryMode = DeliveryModes.Transient, Expiration = "10000" };

    private readonly RabbitMqConnection _connection;
    private readonly RabbitMqOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<string> _rings;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private RabbitMqConnection.Open? _open;
    private IChannel? _channel;
    private long _retryAt;
    private int _failures;
    private bool _isAway;
    private bool _isRefused;

    public RabbitMqDoorbellSender(RabbitMqConnection connection, RabbitMqOptions options, TimeProvider time, ILogger logger)
    {
        (_connection, _options, _time, _logger) = (connection, options, time, logger);
        _retryAt = time.GetTimestamp();
        _rings = Channel.CreateBounded<string>(new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, Dropped);
        _loop = Task.Run(RunAsync);
    }

    public void Ring(string source) => _rings.Writer.TryWrite(source);

    public async ValueTask DisposeAsync()
    {
        _rings.Writer.TryComplete();
        // A relay that ends rings at its very end; a broker that does not answer is not waited for.
        await Task.WhenAny(_loop, Task.Delay(LongestGoodbye, _time)).ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        // Ends by its token: no wait inside outlives it.
        await foreach (var source in _rings.Reader.ReadAllAsync(_stop.Token).ConfigureAwait(false))
        {
            if (await TrySendAsync(source).ConfigureAwait(false))
                OutboxMetrics.DoorbellRung.Add(1, new KeyValuePair<string, object?>("source", source));
            else
                Dropped(source);
        }
    }

    private async Task<bool> TrySendAsync(string source)
    {
        if (_channel is not { IsOpen: true } && _time.GetTimestamp() < Interlocked.Read(ref _retryAt))
            return false;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        try
        {
            if (_channel is not { IsOpen: true })
            {
                limit.CancelAfter(_options.ConnectTimeout);
                await OpenAsync(limit.Token).ConfigureAwait(false);
            }
            // A broker that blocks publishers has no room for events either.
            if (_open!.Unblocked is not null)
                return false;
            limit.CancelAfter(LongestSend);
            await _channel!.BasicPublishAsync(RabbitMqDoorbell.Exchange, source, mandatory: false, NotKept, ReadOnlyMemory<byte>.Empty, limit.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception) || (exception is OperationCanceledException && !_stop.IsCancellationRequested))
        {
            Abandon();
            var error = RabbitMqErrors.Translate(exception, _options, "ringing the doorbell");
            if (error.IsTransient)
                Away(error.Message);
            else
                Refused(error.Message);
            return false;
        }
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        Abandon();
        _open = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var channel = await _open.Connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false), cancellationToken).ConfigureAwait(false);
        _channel = channel;
        channel.ChannelShutdownAsync += (_, shutdown) =>
        {
            // Without confirms a refused ring is learnt of only here. Anything else ends the connection, which is opened again at the next ring.
            if (shutdown.Initiator == global::RabbitMQ.Client.ShutdownInitiator.Peer && shutdown.ReplyCode is 403 or 404)
                Refused($"RabbitMQ answered {shutdown.ReplyCode} {shutdown.ReplyText}.");
            return Task.CompletedTask;
        };
        await RabbitMqDoorbell.EnsureExchangeAsync(channel, _options.Topology, cancellationToken).ConfigureAwait(false);
        _failures = 0;
        if (!_isAway)
            return;
        _isAway = false;
        Log.DoorbellRings(_logger);
    }

    private void Away(string error)
    {
        RetryIn(Backoff.Delay(++_failures, FirstRetry, LongestRetry));
        if (_isAway || _isRefused)
            return;
        _isAway = true;
        Log.DoorbellAway(_logger, error);
    }

    private void Refused(string error)
    {
        RetryIn(RetryAfterRefusal);
        if (!Interlocked.Exchange(ref _isRefused, true))
            Log.DoorbellRefused(_logger, RabbitMqDoorbell.Exchange, error);
    }

    private void RetryIn(TimeSpan delay) => Interlocked.Exchange(ref _retryAt, _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency));

    /// <summary>Closes the channel behind us: a broker that has stopped answering must not hold up the loop.</summary>
    private void Abandon()
    {
        if (_channel is not { } channel)
            return;
        _channel = null;
        _ = Task.Run(async () =>
        {
            try
            {
                await channel.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception) || exception is OperationCanceledException)
            {
                // It was lost already.
            }
        });
    }

    private static void Dropped(string source) => OutboxMetrics.DoorbellDropped.Add(1, new KeyValuePair<string, object?>("source", source));
}
