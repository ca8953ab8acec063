using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>Stage 3 of a message's way: drains one partition in order. Reads rows, publishes them, and deletes those that the broker has confirmed.</summary>
/// <remarks>
/// One loop owns all state. Reading, sending and settling run beside it, at most one of each at a time, and never with a database transaction open around a call to the broker.
/// What a death between two steps does: after the read, nothing has happened; after the send or the confirm, the row is still there and is published again (the inbox tells);
/// after the delete, all is done. A minute's sleep anywhere is the same, with another relay in between: the delete then finds the lease in other hands and deletes nothing (G5).
/// </remarks>
internal sealed class PartitionDrainer : IDisposable
{
    private const int SettleSize = 1_000;
    private const int SendSize = 128;
    private static readonly TimeSpan SettleDelay = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LatePoll = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan FirstReopen = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestReopen = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan NackedChannelAge = TimeSpan.FromSeconds(1.5);

    private readonly RelaySource _source;
    private readonly IOutboxStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly StepSignals _steps;
    private readonly OutboxReader _reader;
    private readonly RowQueues _rows;
    private readonly Dictionary<long, OutboxRow> _sent = [];
    private readonly List<long> _confirmed = [];
    private readonly List<long> _settled = [];
    private readonly KeyValuePair<string, object?> _tag;
    private readonly CancellationTokenSource _abort = new();

    private IPublishChannel? _channel;
    private Task<IPublishChannel>? _opening;
    private Task<bool>? _settling;
    private Task<ReadResult>? _reading;
    private Task<int>? _sending;
    private List<long> _settlingRows = [];
    private List<OutboxRow> _sendingRows = [];
    private int _openFailures;
    private int _emptyReads;
    private bool _nacked;
    private long _openedAt;
    private long _nextOpenAt;
    private long _nextReadAt;
    private long _firstConfirmAt;
    private Task _signal = Task.CompletedTask;
    private Task? _closing;
    private Task<bool>? _results;

    private sealed record ReadResult(OutboxReader.Look? Look, IReadOnlyList<OutboxRow>? Late, IReadOnlyList<OutboxRow> Wanted, IReadOnlyList<OutboxRow> Behind, IReadOnlyList<OutboxRow> Fetched);

    public PartitionDrainer(RelaySource source, IOutboxStore store, TimeProvider time, ILogger logger, StepSignals steps)
    {
        (_source, _store, _time, _logger, _steps) = (source, store, time, logger, steps);
        _reader = new OutboxReader(store, time);
        _rows = new RowQueues(source.Options, time);
        _tag = new("source", source.Name);
    }

    /// <summary>Drains until told to stop, then finishes what is on its way. Throws when the database fails, or the lease is found in other hands.</summary>
    /// <param name="lostToken">Cancelled when the lease may be lost: ends at once, without settling.</param>
    /// <param name="stoppingToken">Cancelled when the relay is to stop: ends after the answers to what was sent.</param>
    public async Task RunAsync(CancellationToken lostToken, CancellationToken stoppingToken)
    {
        // A lost lease ends every wait, also one that nobody else would end.
        using var lost = lostToken.Register(_abort.Cancel);
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                lostToken.ThrowIfCancellationRequested();
                if (!Step())
                    await WaitAsync(stoppingToken).ConfigureAwait(false);
            }
            await FinishAsync(lostToken).ConfigureAwait(false);
        }
        finally
        {
            await CloseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Everything that can be done without waiting. False when there was nothing.</summary>
    private bool Step()
    {
        var progress = TakeResults();
        progress |= EndSending();
        progress |= EndOpening();
        progress |= EndSettling();
        progress |= EndReading();
        _rows.Wake();
        BeginOpening();
        BeginSettling(atOnce: false);
        BeginReading();
        BeginSending();
        // A send mostly completes at once: the window has room, and the client only fills its buffer.
        return progress || _sending is { IsCompleted: true };
    }

    // ── Publishing ──────────────────────────────────────────────────────────────────────────────────────────────

    private void BeginOpening()
    {
        if (_channel is not null || _opening is not null || _sending is not null || _time.GetTimestamp() < _nextOpenAt)
            return;
        _opening = _source.Transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = _source.Exchange, Window = _source.Options.Window }, _abort.Token);
    }

    private bool EndOpening()
    {
        if (_opening is not { IsCompleted: true } opening)
            return false;
        _opening = null;
        if (opening.IsCompletedSuccessfully)
        {
            _channel = opening.Result;
            _openedAt = _time.GetTimestamp();
            _nacked = false;
            return true;
        }
        var error = opening.Exception?.InnerException;
        if (error is not TransportException and not null)
            ExceptionDispatchInfo.Throw(error);
        ReopenLater();
        Log.ChannelFailed(_logger, _source.Name, error?.Message ?? "cancelled");
        return true;
    }

    private void BeginSending()
    {
        if (_sending is not null || _channel is not { } channel || !_rows.HasReady)
            return;
        // G8: nacks say nothing about the messages. After the death of a queue's leader the old channel goes on being nacked long after a new one works.
        if (_nacked && _time.GetElapsedTime(_openedAt) > NackedChannelAge)
        {
            if (_sent.Count == 0)
                DropChannel(channel);
            return;
        }
        var batch = new List<OutboxRow>(SendSize);
        while (batch.Count < SendSize && _rows.TryTake(out var row))
        {
            if (row.Unreadable is { } reason)
            {
                Log.RowFailed(_logger, _source.Name, row.Sequence, row.Type, reason, _rows.Park(row).TotalSeconds);
                continue;
            }
            batch.Add(row);
            _sent.Add(row.Sequence, row);
        }
        if (batch.Count == 0)
            return;
        _sendingRows = batch;
        _sending = SendAsync(channel, batch);
    }

    /// <summary>Sends rows in order and tells how many were handed over before the channel was lost.</summary>
    private async Task<int> SendAsync(IPublishChannel channel, List<OutboxRow> batch)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            try
            {
                await channel.PublishAsync(batch[i].Envelope!, batch[i].Sequence, _abort.Token).ConfigureAwait(false);
            }
            catch (TransportException)
            {
                return i;
            }
            await _steps.ReachedAsync("published").ConfigureAwait(false);
        }
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
            _sent.Remove(_sendingRows[i].Sequence);
            _rows.Again(_sendingRows[i]);
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
        // Every ticket has come back, and no send is under way that could add one.
        if (channel.Results.Completion.IsCompleted && _sending is null)
        {
            Log.ChannelLost(_logger, _source.Name);
            DropChannel(channel);
            return true;
        }
        return any;
    }

    private void Take(PublishResult result, OutboxRow row)
    {
        if (result.Outcome == PublishOutcome.Confirmed)
        {
            // G3: only now may the key's next row go.
            if (_rows.BlockedTypes.Count > 0 && _rows.BlockedTypes.FirstOrDefault(b => b.Type == row.Type) is { } healed)
                Log.TypeFlows(_logger, _source.Name, healed.Type, healed.Rows.Count);
            _rows.Confirmed(row);
            ToSettle(row);
            _openFailures = 0;
            OutboxMetrics.Published.Add(1, _tag);
            return;
        }
        OutboxMetrics.NotConfirmed.Add(1, _tag, new("outcome", result.Outcome.ToString()));
        switch (result.Outcome)
        {
            case PublishOutcome.Unroutable:
                Block(row, result.Reason!);
                break;
            case PublishOutcome.Nacked:
                _nacked = true;
                Block(row, result.Reason!);
                break;
            case PublishOutcome.Refused:
                Log.RowFailed(_logger, _source.Name, row.Sequence, row.Type, result.Reason!, _rows.Park(row).TotalSeconds);
                break;
            default:
                // G2: unknown is not confirmed. It is published again; a copy that did arrive is the inbox's to tell.
                _rows.Again(row);
                break;
        }
    }

    private void Block(OutboxRow row, string reason)
    {
        if (_rows.Block(row, reason))
            Log.TypeBlocked(_logger, _source.Name, row.Type, _source.Exchange, reason);
    }

    private void DropChannel(IPublishChannel channel)
    {
        _closing = channel.DisposeAsync().AsTask();
        (_channel, _results) = (null, null);
        ReopenLater();
    }

    private void ReopenLater() => _nextOpenAt = After(Backoff.Delay(++_openFailures, FirstReopen, LongestReopen));

    // ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    private void BeginReading()
    {
        if (_reading is not null)
            return;
        if (_rows.HasToFetch)
        {
            var wanted = _rows.TakeToFetch();
            var behind = wanted.Where(r => r.Key is not null).SelectMany(r => _rows.BareBehind(r.Key!)).ToList();
            // A driver without true asynchrony must not stop the loop.
            _reading = Task.Run(() => FetchAsync(wanted, behind), CancellationToken.None);
            return;
        }
        var isSignalled = _signal.IsCompleted;
        if (_rows.Room <= 0 || (!isSignalled && _time.GetTimestamp() < _nextReadAt))
            return;
        if (isSignalled)
            _emptyReads = 0;
        // Taken before the read: a commit during it raises the next signal.
        _signal = _source.Signal.Next;
        var (nothingKnown, limit) = (_rows.Count == 0, Math.Min(_rows.Room, _source.Options.BatchSize));
        _reading = Task.Run(() => LookAsync(nothingKnown, limit), CancellationToken.None);
    }

    private async Task<ReadResult> LookAsync(bool nothingKnown, int limit)
    {
        var look = await _reader.LookAsync(nothingKnown, limit, _abort.Token).ConfigureAwait(false);
        await _steps.ReachedAsync("read").ConfigureAwait(false);
        return new ReadResult(look, null, [], [], []);
    }

    private async Task<ReadResult> FetchAsync(IReadOnlyList<OutboxRow> wanted, IReadOnlyList<OutboxRow> behind) =>
        new(null, null, wanted, behind, await _reader.FetchAsync([.. wanted.Concat(behind).Select(r => r.Sequence).Order()], _abort.Token).ConfigureAwait(false));

    private bool EndReading()
    {
        if (_reading is not { IsCompleted: true } reading)
            return false;
        _reading = null;
        var result = reading.GetAwaiter().GetResult();
        if (result.Look is { } look)
        {
            if (result.Late is null && look.Low.Where(s => !_rows.Knows(s)).ToList() is { Count: > 0 } late)
            {
                // G3: what lies below goes before what was read above, so the whole look waits for it.
                _reading = Task.Run(async () => result with { Late = await _reader.FetchAsync(late, _abort.Token).ConfigureAwait(false) }, CancellationToken.None);
                return true;
            }
            Take(look, result.Late ?? []);
        }
        else
        {
            Take(result.Fetched.ToDictionary(r => r.Sequence), result);
        }
        // Rows deleted while the look was under way may still be listed in it; only now can they be forgotten.
        foreach (var sequence in _settled)
            _rows.Forget(sequence);
        _settled.Clear();
        return true;
    }

    private void Take(OutboxReader.Look look, IReadOnlyList<OutboxRow> late)
    {
        _reader.Finish(look, late.Select(r => r.Sequence));
        foreach (var row in late.Count == 0 ? look.Rows : [.. late.Concat(look.Rows).OrderBy(r => r.Sequence)])
        {
            if (!row.Expired)
                _rows.Add(row);
            else if (_rows.Hold(row))
                Expire(row);
        }
        if (late.Count + look.Rows.Count > 0)
        {
            _emptyReads = 0;
            _nextReadAt = look.IsEnd ? After(FirstPoll) : _time.GetTimestamp();
            return;
        }
        var longest = _reader.MayBeLate && LatePoll < _source.Options.IdlePoll ? LatePoll : _source.Options.IdlePoll;
        var poll = FirstPoll * Math.Pow(2, Math.Min(_emptyReads++, 20));
        _nextReadAt = After(poll < longest ? poll : longest);
    }

    private void Take(Dictionary<long, OutboxRow> fetched, ReadResult result)
    {
        foreach (var row in result.Wanted)
        {
            if (!fetched.TryGetValue(row.Sequence, out var found))
            {
                _rows.Leave(row);
                _rows.Forget(row.Sequence);
            }
            else if (found.Expired)
            {
                _rows.Leave(row);
                Expire(row);
            }
            else
            {
                _rows.Fetched(row, found);
            }
        }
        foreach (var row in result.Behind)
        {
            if (fetched.TryGetValue(row.Sequence, out var found))
                _rows.Attach(row, found);
        }
    }

    private void Expire(OutboxRow row)
    {
        Log.Expired(_logger, _source.Name, row.Sequence, row.Type);
        OutboxMetrics.Expired.Add(1, _tag);
        ToSettle(row);
    }

    // ── Settling ────────────────────────────────────────────────────────────────────────────────────────────────

    private void ToSettle(OutboxRow row)
    {
        if (_confirmed.Count == 0)
            _firstConfirmAt = _time.GetTimestamp();
        _confirmed.Add(row.Sequence);
    }

    private void BeginSettling(bool atOnce)
    {
        if (_settling is not null || _confirmed.Count == 0)
            return;
        if (!atOnce && _confirmed.Count < SettleSize && _sent.Count > 0 && _time.GetElapsedTime(_firstConfirmAt) < SettleDelay)
            return;
        var batch = _confirmed.Count <= SettleSize ? [.. _confirmed] : _confirmed.GetRange(0, SettleSize);
        _confirmed.RemoveRange(0, batch.Count);
        _firstConfirmAt = _time.GetTimestamp();
        _settlingRows = batch;
        _settling = Task.Run(() => SettleAsync(batch), CancellationToken.None);
    }

    private async Task<bool> SettleAsync(List<long> batch)
    {
        await _steps.ReachedAsync("confirmed").ConfigureAwait(false);
        // G2: only confirmed rows come here. G5: the delete checks the fencing token itself.
        var held = await _store.SettleAsync(batch, _abort.Token).ConfigureAwait(false);
        await _steps.ReachedAsync("settled").ConfigureAwait(false);
        return held;
    }

    private bool EndSettling()
    {
        if (_settling is not { IsCompleted: true } settling)
            return false;
        _settling = null;
        if (!settling.GetAwaiter().GetResult())
        {
            OutboxMetrics.RefusedSettles.Add(1, _tag);
            throw new LeaseLostException();
        }
        OutboxMetrics.Settled.Add(_settlingRows.Count, _tag);
        if (_reading is not null)
            _settled.AddRange(_settlingRows);
        else
            _settlingRows.ForEach(_rows.Forget);
        return true;
    }

    // ── Waiting and ending ──────────────────────────────────────────────────────────────────────────────────────

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        var wake = TimeSpan.FromSeconds(10);
        void Until(long timestamp) => wake = TimeSpan.FromTicks(Math.Min(wake.Ticks, Math.Max(0, _time.GetElapsedTime(_time.GetTimestamp(), timestamp).Ticks)));
        if (_rows.Wake() is { } next && next < wake)
            wake = next;
        if (_reading is null && _rows.Room > 0)
            Until(_nextReadAt);
        if (_settling is null && _confirmed.Count > 0)
            Until(_firstConfirmAt + (long)(SettleDelay.TotalSeconds * _time.TimestampFrequency));
        if (_channel is null && _opening is null && _sending is null)
            Until(_nextOpenAt);
        if (wake <= TimeSpan.Zero)
            return;

        if (_channel is { } channel && _results is not { IsCompleted: false })
            _results = channel.Results.WaitToReadAsync(CancellationToken.None).AsTask();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, _abort.Token);
        var waits = new List<Task>(7) { Task.Delay(wake, _time, ended.Token) };
        foreach (var task in (ReadOnlySpan<Task?>)[_reading, _settling, _sending, _opening, _channel is null ? null : _results, _reading is null && _rows.Room > 0 ? _signal : null])
        {
            if (task is not null)
                waits.Add(task);
        }
        await Task.WhenAny(waits).ConfigureAwait(false);
        await ended.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Waits for the answers to what was sent and settles them.</summary>
    private async Task FinishAsync(CancellationToken lostToken)
    {
        using var limit = new CancellationTokenSource(_source.Options.DrainTimeout, _time);
        while (_sending is not null || _sent.Count > 0 || _confirmed.Count > 0 || _settling is not null)
        {
            lostToken.ThrowIfCancellationRequested();
            var progress = TakeResults();
            progress |= EndSending();
            progress |= EndSettling();
            BeginSettling(atOnce: _sent.Count == 0);
            if (limit.IsCancellationRequested || (_channel is null && _sending is null))
                _sent.Clear();
            if (limit.IsCancellationRequested && _sending is not null)
                return;
            if (!progress)
                await WaitAsync(limit.IsCancellationRequested ? CancellationToken.None : limit.Token).ConfigureAwait(false);
        }
    }

    private async Task CloseAsync()
    {
        await _abort.CancelAsync().ConfigureAwait(false);
        if (_channel is { } channel)
            await channel.DisposeAsync().ConfigureAwait(false);
        foreach (var task in (Task?[])[_sending, _settling, _reading, _closing])
        {
            if (task is not null)
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_opening is { } opening)
        {
            await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (opening.IsCompletedSuccessfully)
                await opening.Result.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => _abort.Dispose();

    private long After(TimeSpan delay) => _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency);
}
