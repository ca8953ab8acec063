using System.Threading.Channels;
using Outbox.Messages;
using Outbox.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Outbox.RabbitMQ;

/// <summary>Publishes through a window of unconfirmed messages of our own: the client library's tracking costs a task and a header for each message.</summary>
/// <remarks>Delivery tags are 1, 2, 3 … because one writer at a time uses the channel.</remarks>
internal sealed class RabbitMqPublishChannel : IPublishChannel
{
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(2);

    private readonly RabbitMqConnection.Open _connection;
    private readonly IChannel _channel;
    private readonly string _exchange;
    private readonly string? _queue;
    private readonly int _maxMessageBytes;
    private readonly int _window;
    private readonly int _reopen;
    private readonly EnvelopeProperties _properties;
    private readonly int _maxPropertyBytes;
    private readonly Channel<PublishResult> _results = Channel.CreateUnbounded<PublishResult>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _closed = new();
    private readonly Lock _lock = new();
    private readonly UnconfirmedMessages _unconfirmed = new();
    private TaskCompletionSource? _room;
    private string? _closeReason;

    private RabbitMqPublishChannel(RabbitMqConnection.Open connection, IChannel channel, PublishChannelOptions options, RabbitMqOptions rabbitMq)
    {
        // The default exchange routes by the queue's name.
        (_connection, _channel, _exchange, _queue, _maxMessageBytes) = (connection, channel, options.Queue is null ? options.Exchange : "", options.Queue, rabbitMq.MaxMessageBytes);
        _properties = new EnvelopeProperties(rabbitMq.PartitionSlots);
        _window = options.Window;
        // A full window opens again when a quarter of it is free: waking the writer for each single place costs more than sending does.
        _reopen = options.Window - Math.Max(1, options.Window / 4);
        // A frame's own header and end, and the content header's class, weight and body size.
        _maxPropertyBytes = connection.Connection.FrameMax == 0 ? int.MaxValue : (int)connection.Connection.FrameMax - 8 - 12;
        channel.BasicAcksAsync += (_, ack) => Answered(ack.DeliveryTag, ack.Multiple, PublishOutcome.Confirmed, null);
        channel.BasicNacksAsync += (_, nack) => Answered(nack.DeliveryTag, nack.Multiple, PublishOutcome.Nacked, "the broker did not take it (nack)");
        channel.BasicReturnAsync += Returned;
        channel.ChannelShutdownAsync += (_, shutdown) => Close(shutdown.ReplyText);
    }

    public ChannelReader<PublishResult> Results => _results.Reader;

    public static async Task<RabbitMqPublishChannel> OpenAsync(RabbitMqConnection.Open connection, PublishChannelOptions options, RabbitMqOptions rabbitMq, CancellationToken cancellationToken)
    {
        // Confirms on, tracking off. The flags stand in the type's first two parameters.
        var channel = await connection.Connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false), cancellationToken).ConfigureAwait(false);
        try
        {
            if (options.Queue is { } queue)
                await channel.QueueDeclarePassiveAsync(queue, cancellationToken).ConfigureAwait(false);
            else
                await RabbitMqTopology.EnsureExchangeAsync(channel, options.Exchange, rabbitMq.Topology, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await channel.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        return new RabbitMqPublishChannel(connection, channel, options, rabbitMq);
    }

    public async ValueTask PublishAsync(Envelope envelope, long ticket, CancellationToken cancellationToken)
    {
        // What the broker would answer by closing the channel, or the connection, is refused here: it would stop all others again and again.
        var refusal = envelope.Body.Length > _maxMessageBytes
            ? $"its body of {envelope.Body.Length:N0} bytes is larger than {_maxMessageBytes:N0} (RabbitMq:MaxMessageBytes)"
            : _properties.TryFill(envelope, _maxPropertyBytes);
        if (refusal is not null)
        {
            if (!_results.Writer.TryWrite(new PublishResult(ticket, PublishOutcome.Refused, refusal)))
                throw Lost();
            return;
        }
        if (_connection.Unblocked is { } unblocked)
            await WhileOpenAsync(unblocked, cancellationToken).ConfigureAwait(false);
        // Remembered before it is sent: the answer may come before the call returns.
        ulong tag;
        while (!TryRemember(ticket, envelope, out tag, out var room))
            await WhileOpenAsync(room!, cancellationToken).ConfigureAwait(false);
        try
        {
            // G2: mandatory and persistent. The library copies properties and body before its call completes.
            // A broker in alarm stops reading, so the write can hang. Only the end of the channel ends it: whether it was sent is unknown from then on, and so is the next tag.
            await _channel.BasicPublishAsync(_exchange, _queue ?? envelope.Type, mandatory: true, _properties.Properties, envelope.Body, _closed.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception) || exception is OperationCanceledException)
        {
            bool stillOurs;
            lock (_lock)
                stillOurs = _unconfirmed.Remove(tag, out _);
            // The numbering may be off by one from here on, so the channel is of no more use.
            await Close(exception.Message).ConfigureAwait(false);
            // Otherwise its ticket has come back as unknown already.
            if (stillOurs)
                throw Lost(exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // A broker that has stopped answering must not hold up whoever lets go. The library waits for its answer whatever token it is given, so the rest goes on behind us.
        await Task.WhenAny(CloseChannelAsync(), Task.Delay(LongestGoodbye)).ConfigureAwait(false);
        await Close("it was disposed").ConfigureAwait(false);
    }

    private async Task CloseChannelAsync()
    {
        try
        {
            if (_channel.IsOpen)
                await _channel.CloseAsync(200, "Goodbye", abort: true).ConfigureAwait(false);
            await _channel.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception) || exception is OperationCanceledException)
        {
            // It was lost already.
        }
    }

    private async Task WhileOpenAsync(Task condition, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
        try
        {
            await condition.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_closed.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Lost();
        }
    }

    /// <summary>Takes a place in the window. False when there is none: then <paramref name="room"/> is what to wait for.</summary>
    private bool TryRemember(long ticket, Envelope envelope, out ulong tag, out Task? room)
    {
        lock (_lock)
        {
            if (_closeReason is not null)
                throw Lost();
            if (_unconfirmed.Count >= _window)
            {
                (tag, room) = (0, (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task);
                return false;
            }
            (tag, room) = (_unconfirmed.Add(ticket, envelope.MessageId, _queue ?? envelope.Type), null);
            return true;
        }
    }

    private Task Answered(ulong tag, bool multiple, PublishOutcome outcome, string? reason)
    {
        TaskCompletionSource? room = null;
        lock (_lock)
        {
            for (var first = multiple ? _unconfirmed.Lowest : tag; first <= tag; first++)
                Answer(first, outcome, reason);
            if (_unconfirmed.Count <= _reopen)
                (room, _room) = (_room, null);
        }
        room?.TrySetResult();
        return Task.CompletedTask;
    }

    private void Answer(ulong tag, PublishOutcome outcome, string? reason)
    {
        if (!_unconfirmed.Remove(tag, out var message))
            return;
        // G2: an unroutable message is returned and then acked. The ack alone would say that it is safe.
        _results.Writer.TryWrite(outcome == PublishOutcome.Confirmed && message.Returned is not null
            ? new PublishResult(message.Ticket, PublishOutcome.Unroutable, message.Returned)
            : new PublishResult(message.Ticket, outcome, reason));
    }

    private Task Returned(object sender, BasicReturnEventArgs returned)
    {
        var id = Guid.TryParse(returned.BasicProperties.MessageId, out var parsed) ? parsed : Guid.Empty;
        lock (_lock)
        {
            _unconfirmed.Return(id, returned.RoutingKey, _queue is not null ? $"queue '{_queue}' is gone" : returned.ReplyCode == 312
                ? $"no queue is bound to exchange '{_exchange}' for type '{returned.RoutingKey}'"
                : $"the broker returned it: {returned.ReplyCode} {returned.ReplyText}");
        }
        return Task.CompletedTask;
    }

    private Task Close(string reason)
    {
        lock (_lock)
        {
            if (_closeReason is not null)
                return Task.CompletedTask;
            _closeReason = reason;
            // G2: no answer came, so nobody knows. The rows stay and are published again.
            foreach (var ticket in _unconfirmed.Clear())
                _results.Writer.TryWrite(new PublishResult(ticket, PublishOutcome.Unknown, $"the channel was lost ({reason})"));
            _results.Writer.TryComplete();
        }
        return _closed.CancelAsync();
    }

    private TransportException Lost(Exception? exception = null) => new($"The publishing channel to {(_queue is null ? $"exchange '{_exchange}'" : $"queue '{_queue}'")} was lost: {_closeReason}", isTransient: true, exception);
}
