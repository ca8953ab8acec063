using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>Sends the rows that are ready through one channel after another, and takes their fates. Owned by one drainer; nothing here waits.</summary>
internal sealed class RowPublisher(RelaySource source, RowQueues rows, Action<OutboxRow> onConfirmed, Pulse pulse, TimeProvider time, ILogger logger, StepSignals steps, CancellationToken aborted)
{
    private const int SendSize = 512;
    private static readonly TimeSpan FirstReopen = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestReopen = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AnswersInterval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan NackedChannelAge = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan FirstPatience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<long, OutboxRow> _sent = [];
    private readonly TagList _operation = new([
        source.State.Source, new(OutboxTracing.System, ITransportState.SystemOf(source.Transport)), new(OutboxTracing.OperationName, "publish"), new(OutboxTracing.OperationType, "send"), new(OutboxTracing.Destination, source.Exchange)]);
    private IPublishChannel? _channel;
    private Task<IPublishChannel>? _opening;
    private Task<int>? _sending;
    private ValueTaskAwaiter<bool> _answer;
    private Action? _onAnswer;
    private bool _isListening;
    private Task? _closing;
    private readonly List<OutboxRow> _sendingRows = new(SendSize);
    private int _handedOver;
    private int _published;
    private bool _nacked;
    private bool _isEmptying;
    private TimeSpan? _givenUpAfter;
    private int _givenUp;
    private long _waitingSince;
    private int _openFailures;
    private long _openedAt;
    private long _nextOpenAt;

    /// <summary>Rows sent, or being sent, whose fate has not come back.</summary>
    public int Unanswered => _sent.Count;

    /// <summary>Whether rows are being handed to the channel right now.</summary>
    public bool IsSending => _sending is not null;

    /// <summary>Whether there is a channel that could bring answers.</summary>
    public bool IsConnected => _channel is not null;

    /// <summary>Takes what has come in. False when that was nothing.</summary>
    public bool Take()
    {
        // The send first: a channel that was lost can only be dropped, and replaced, while none is under way.
        var progress = EndSending();
        progress |= TakeResults();
        progress |= GiveUpSilentChannel();
        progress |= EndOpening();
        return progress;
    }

    /// <summary>Starts what can be started. True when it was done at once.</summary>
    public bool Begin()
    {
        BeginOpening();
        BeginSending();
        // A send mostly completes at once: the window has room, and the client only fills its buffer.
        return _sending is { IsCompleted: true };
    }

    /// <summary>Sets the pulse when there is something to take, and tells the time after which there may be more to do.</summary>
    public long? Listen()
    {
        // The window is full, so nothing is lost by taking the answers in larger portions: waking for each one costs more than it does.
        if (_sending is not null)
            return After(AnswersInterval);
        if (_channel is not { } channel)
            return _opening is null ? _nextOpenAt : null;
        if (Volatile.Read(ref _isListening))
            return null;
#pragma warning disable CA2012 // Awaited by hand, once: an async method would make a task for each portion of answers.
        _answer = channel.Results.WaitToReadAsync(CancellationToken.None).GetAwaiter();
#pragma warning restore CA2012
        if (_answer.IsCompleted)
        {
            _answer.GetResult();
            pulse.Set();
            return null;
        }
        _isListening = true;
        _answer.UnsafeOnCompleted(_onAnswer ??= Answered);
        return null;
    }

    /// <summary>Runs on a thread of the pool that has nothing else to do.</summary>
    private void Answered()
    {
        // Gives the channel back what it waits with; the answers, or the channel's end, are found by looking.
        _answer.GetResult();
        Volatile.Write(ref _isListening, false);
        pulse.SetHere();
    }

    /// <summary>Stops waiting for answers: the rows stay in the outbox and are published again. False when there was nothing to wait for.</summary>
    public bool GiveUp()
    {
        var any = _sent.Count > 0;
        _sent.Clear();
        return any;
    }

    public async Task CloseAsync()
    {
        if (_channel is { } channel)
            await channel.DisposeAsync().ConfigureAwait(false);
        foreach (var task in (Task?[])[_sending, _closing, _opening])
        {
            if (task is not null)
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_opening is { IsCompletedSuccessfully: true } opening)
            await opening.Result.DisposeAsync().ConfigureAwait(false);
    }

    private void BeginOpening()
    {
        if (_channel is not null || _opening is not null || _sending is not null || time.GetTimestamp() < _nextOpenAt)
            return;
        _opening = source.Transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = source.Exchange, Window = source.Options.Window }, aborted);
        pulse.SetAfter(_opening);
    }

    private bool EndOpening()
    {
        if (_opening is not { IsCompleted: true } opening)
            return false;
        _opening = null;
        if (opening.IsCompletedSuccessfully)
        {
            _channel = opening.Result;
            _openedAt = _waitingSince = time.GetTimestamp();
            (_nacked, _isEmptying, _givenUpAfter) = (false, false, null);
            return true;
        }
        var error = opening.Exception?.InnerException;
        if (error is not TransportException and not null)
            ExceptionDispatchInfo.Throw(error);
        ReopenLater();
        Log.ChannelFailed(logger, source.Name, error?.Message ?? "cancelled");
        return true;
    }

    private void BeginSending()
    {
        if (_sending is not null || _channel is not { } channel || _givenUpAfter is not null || !rows.HasReady)
            return;
        // G8: nacks say nothing about the messages. After the death of a queue's leader the old channel goes on being nacked long after a new one works.
        if (_nacked && time.GetElapsedTime(_openedAt) > NackedChannelAge)
        {
            if (_sent.Count == 0)
                Drop(channel);
            else if (!_isEmptying)
                (_isEmptying, _waitingSince) = (true, time.GetTimestamp());
            return;
        }
        var batch = _sendingRows;
        batch.Clear();
        while (batch.Count < SendSize && rows.TryTake(out var row))
        {
            if (row.Unreadable is { } reason)
            {
                Fail(row, reason);
                continue;
            }
            batch.Add(row);
            _sent.Add(row.Sequence, row);
        }
        if (batch.Count == 0)
            return;
        Volatile.Write(ref _handedOver, 0);
        _sending = SendAsync(channel, batch);
        if (!_sending.IsCompleted)
            pulse.SetAfter(_sending);
    }

    /// <summary>Sends rows in order and tells how many were handed over before the channel was lost.</summary>
    private async Task<int> SendAsync(IPublishChannel channel, List<OutboxRow> batch)
    {
        var (began, traces) = (time.GetTimestamp(), PublishTrace.IsWanted);
        for (var i = 0; i < batch.Count; i++)
        {
            // One of a batch tells how fast the broker is; measuring each would cost a share of the rate.
            batch[i].SentAt = i == batch.Count - 1 || traces ? time.GetTimestamp() : 0;
            try
            {
                await channel.PublishAsync(batch[i].Envelope!, batch[i].Sequence, aborted).ConfigureAwait(false);
            }
            catch (TransportException)
            {
                return i;
            }
            Volatile.Write(ref _handedOver, i + 1);
            await steps.ReachedAsync("published").ConfigureAwait(false);
        }
        OutboxMetrics.RelayBatchSize.Record(batch.Count, source.State.Source, new("operation", "publish"));
        OutboxMetrics.PublishDuration.Record(time.GetElapsedTime(began).TotalSeconds, source.State.Source);
        return batch.Count;
    }

    private bool EndSending()
    {
        if (_sending is not { IsCompleted: true } sending)
            return false;
        _sending = null;
        var handedOver = sending.GetAwaiter().GetResult();
        for (var i = handedOver; i < _sendingRows.Count; i++)
        {
            if (_sent.Remove(_sendingRows[i].Sequence))
                rows.Again(_sendingRows[i]);
        }
        return true;
    }

    private bool TakeResults()
    {
        if (_channel is not { } channel)
            return false;
        var any = false;
        while (channel.Results.TryRead(out var result))
        {
            any = true;
            if (_sent.Remove(result.Ticket, out var row))
                Take(result, row);
        }
        if (_published > 0)
        {
            source.State.Published();
            OutboxMetrics.Published.Add(_published, source.State.Source);
            OutboxMetrics.Sent.Add(_published, _operation);
        }
        _published = 0;
        if (any && !_isEmptying)
            _waitingSince = time.GetTimestamp();
        // Complete means closed and read to the end; a send under way may still hold rows that it has to give back.
        if (!channel.Results.Completion.IsCompleted || _sending is not null)
            return any;
        Log.ChannelLost(logger, source.Name);
        Drop(channel);
        return true;
    }

    private void Take(PublishResult result, OutboxRow row)
    {
        if (row.SentAt != 0)
            Answered(result, row);
        if (result.Outcome == PublishOutcome.Confirmed)
        {
            if (rows.Blocked(row.Type) is { } blocked)
                Log.TypeFlows(logger, source.Name, blocked.Type, blocked.Rows.Count);
            row.GiveBack();
            // G3: only now may the key's next row go.
            rows.Confirmed(row);
            (_openFailures, _givenUp) = (0, 0);
            _published++;
            onConfirmed(row);
            return;
        }
        OutboxMetrics.NotConfirmed.Add(1, source.State.Source, new("outcome", PublishTrace.OutcomeOf(result.Outcome)));
        OutboxMetrics.Sent.Add(1, Operation(result.Outcome));
        switch (result.Outcome)
        {
            case PublishOutcome.Unroutable:
                Block(row, result.Reason!, isUnroutable: true);
                break;
            case PublishOutcome.Nacked:
                _nacked = true;
                Block(row, result.Reason!, isUnroutable: false);
                break;
            case PublishOutcome.Refused:
                Fail(row, result.Reason!);
                break;
            case PublishOutcome.Unknown when _givenUpAfter is { } silence:
                // G7: sent again at once, they would fill the next window and stop all others again. One of each type asks for its queue.
                Block(row, $"the broker has not answered for {silence.TotalSeconds:0} seconds", isUnroutable: false);
                break;
            default:
                // G2: unknown is not confirmed. It is published again; a copy that did arrive is the inbox's to tell.
                OutboxMetrics.Retries.Add(1, source.State.Source);
                rows.Again(row);
                break;
        }
    }

    /// <summary>The answer to a message of which it is wanted how long that took.</summary>
    private void Answered(PublishResult result, OutboxRow row)
    {
        OutboxMetrics.OperationDuration.Record(time.GetElapsedTime(row.SentAt).TotalSeconds, Operation(result.Outcome));
        if (PublishTrace.IsWanted)
            PublishTrace.Answered(source, row, result, time);
        row.SentAt = 0;
    }

    private TagList Operation(PublishOutcome outcome)
    {
        var tags = _operation;
        if (outcome != PublishOutcome.Confirmed)
            tags.Add(OutboxMetrics.ErrorType, PublishTrace.OutcomeOf(outcome));
        return tags;
    }

    private void Block(OutboxRow row, string reason, bool isUnroutable)
    {
        OutboxMetrics.Retries.Add(1, source.State.Source);
        if (rows.Block(row, reason, isUnroutable))
            Log.TypeBlocked(logger, source.Name, row.Type, source.Exchange, reason);
    }

    private void Fail(OutboxRow row, string reason)
    {
        if (rows.Fail(row, reason) is not { } delay)
            return;
        OutboxMetrics.Retries.Add(1, source.State.Source);
        Log.RowFailed(logger, source.Name, row.Sequence, row.Type, reason, delay.TotalSeconds);
    }

    /// <summary>Lets go of a channel whose queues do not answer, neither with an ack nor with a nack, while others wait for its window or its end (G7).</summary>
    private bool GiveUpSilentChannel()
    {
        if (_channel is not { } channel || _givenUpAfter is not null)
            return false;
        // What waits for a place, or for a broker that blocks publishers, was never sent: no answer is missing.
        var unanswered = _sent.Count - (_sending is null ? 0 : _sendingRows.Count - Volatile.Read(ref _handedOver));
        if (unanswered <= 0)
        {
            _waitingSince = time.GetTimestamp();
            return false;
        }
        // It grows while no answer comes at all: each new try may leave copies of what did arrive.
        var patience = FirstPatience * Math.Pow(2, Math.Min(_givenUp, 4));
        if (time.GetElapsedTime(_waitingSince) < patience)
            return false;
        (_givenUpAfter, _givenUp) = (patience, _givenUp + 1);
        // Everything unanswered comes back as unknown, and the send under way ends; then the channel is found to be lost.
        _closing = channel.DisposeAsync().AsTask();
        return true;
    }

    private void Drop(IPublishChannel channel)
    {
        if (_givenUpAfter is null)
            _closing = channel.DisposeAsync().AsTask();
        _channel = null;
        ReopenLater();
    }

    private void ReopenLater() => _nextOpenAt = After(Backoff.Delay(++_openFailures, FirstReopen, LongestReopen));

    private long After(TimeSpan delay) => time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency);
}
