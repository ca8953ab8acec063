using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>Stage 3 of a message's way: drains one partition in order. Reads rows, publishes them, and deletes those that the broker has confirmed.</summary>
/// <remarks>
/// One loop owns all state. Reading, sending and settling run beside it, at most one of each at a time, and never with a database transaction open around a call to the broker.
/// What a death between two steps does: after the read, nothing has happened; after the send or the confirm, the row is still there and is published again (the inbox tells);
/// after the delete, all is done. A minute's sleep anywhere is the same, with another relay in between: the delete then finds the lease in other hands and deletes nothing (G5).
/// </remarks>
internal sealed class PartitionDrainer : IDisposable
{
    private static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LatePoll = TimeSpan.FromMilliseconds(250);

    private readonly RelaySource _source;
    private readonly IOutboxStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly StepSignals _steps;
    private readonly OutboxReader _reader;
    private readonly RowQueues _rows;
    private readonly RowPublisher _publisher;
    private readonly RowSettler _settler;
    private readonly RowsAside _aside;
    private readonly BlockedWatch _blocked;
    private readonly List<long> _settled = [];
    private readonly CancellationTokenSource _abort = new();
    private readonly Pulse _pulse;

    private Task<ReadResult>? _reading;
    private int _emptyReads;
    private long _nextReadAt;
    private readonly OutboxSignal _wake = new();
    private readonly Action? _onAsleep;
    private long _asleepAbove = -1;
    private Task _signal = Task.CompletedTask;

    private sealed record ReadResult(OutboxReader.Look? Look, IReadOnlyList<OutboxRow>? Late, IReadOnlyList<OutboxRow> Wanted, IReadOnlyList<OutboxRow> Behind, IReadOnlyList<OutboxRow> Fetched, Action? Apply = null);

    /// <param name="source">The source.</param>
    /// <param name="store">The partition.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to tell.</param>
    /// <param name="steps">For tests.</param>
    /// <param name="onSettled">Called when rows have left the outbox.</param>
    /// <param name="onAsleep">Called when it has nothing to do: from then on somebody else looks for new rows, for all drainers of the source at once, and then calls <see cref="Wake"/>. Null: it looks itself.</param>
    public PartitionDrainer(RelaySource source, IOutboxStore store, TimeProvider time, ILogger logger, StepSignals steps, Action? onSettled = null, Action? onAsleep = null)
    {
        (_source, _store, _time, _logger, _steps, _onAsleep) = (source, store, time, logger, steps, onAsleep);
        _pulse = new Pulse(time);
        _reader = new OutboxReader(store, time);
        _rows = new RowQueues(source.Options, time);
        _aside = new RowsAside(source, store, _rows, time, logger);
        _settler = new RowSettler(source, store, _aside, _pulse, time, steps, onSettled ?? (() => { }), _abort.Token);
        _publisher = new RowPublisher(source, _rows, _settler.Confirmed, _pulse, time, logger, steps, _abort.Token);
        _blocked = new BlockedWatch(source, _rows, time);
    }

    /// <summary>While the drainer waits to be woken: the number above which no row has been seen. Otherwise null. For any thread.</summary>
    public long? AsleepAbove => Interlocked.Read(ref _asleepAbove) is >= 0 and var floor ? floor : null;

    /// <summary>There may be new rows. For any thread.</summary>
    public void Wake() => _wake.Raise();

    /// <summary>What does not flow, for people. Thread-safe.</summary>
    public IReadOnlyList<BlockedKey> Blocked => _blocked.Seen;

    /// <summary>Drains until told to stop, then finishes what is on its way. Throws when the database fails, or the lease is found in other hands.</summary>
    /// <param name="lostToken">Cancelled when the lease may be lost: ends at once, without settling.</param>
    /// <param name="stoppingToken">Cancelled when the relay is to stop: ends after the answers to what was sent.</param>
    public async Task RunAsync(CancellationToken lostToken, CancellationToken stoppingToken)
    {
        // A lost lease ends every wait, also one that nobody else would end.
        using var lost = lostToken.Register(_abort.Cancel);
        using var aborted = _abort.Token.UnsafeRegister(static pulse => ((Pulse)pulse!).Set(), _pulse);
        using var stopping = stoppingToken.UnsafeRegister(static pulse => ((Pulse)pulse!).Set(), _pulse);
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                lostToken.ThrowIfCancellationRequested();
                if (!Step())
                    await WaitAsync(isReading: true).ConfigureAwait(false);
            }
            await FinishAsync(lostToken).ConfigureAwait(false);
        }
        finally
        {
            _blocked.End();
            await CloseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Everything that can be done without waiting. False when there was nothing.</summary>
    private bool Step()
    {
        var progress = _publisher.Take();
        progress |= EndSettling();
        progress |= EndReading();
        _rows.Wake();
        // A hot key has one message on its way at a time, so none is unanswered again and again: a statement for each of them would be most of the work.
        _settler.Begin(atOnce: _publisher.Unanswered == 0 && !_rows.HasReady && !_rows.HasToFetch);
        BeginReading();
        _blocked.Draw();
        return _publisher.Begin() || progress;
    }

    // ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    private void BeginReading()
    {
        if (_reading is not null)
            return;
        if (_aside.NextRead() is { } read)
        {
            Read(async () => new ReadResult(null, null, [], [], [], await read(_abort.Token).ConfigureAwait(false)));
            return;
        }
        if (_rows.HasToFetch)
        {
            var wanted = _rows.TakeToFetch();
            var behind = wanted.Where(r => r.Key is not null).SelectMany(r => _rows.BareBehind(r.Key!)).ToList();
            Read(() => FetchAsync(wanted, behind));
            return;
        }
        var isSignalled = _signal.IsCompleted;
        if (!_rows.HasRoom || (!isSignalled && _time.GetTimestamp() < _nextReadAt))
            return;
        if (isSignalled)
        {
            _emptyReads = 0;
            _aside.Rung();
        }
        Interlocked.Exchange(ref _asleepAbove, -1);
        // Taken before the read: a commit during it raises the next signal.
        var signal = _onAsleep is not null ? _wake.Next : _source.Signal.Next;
        if (signal != _signal)
            _pulse.SetAfter(_signal = signal);
        var (known, limit) = (_rows.Count, Math.Min(_rows.Room, _source.Options.BatchSize));
        Read(() => LookAsync(known, limit));
    }

    private void Read(Func<Task<ReadResult>> read)
    {
        // A driver without true asynchrony must not stop the loop.
        _reading = Task.Run(read, CancellationToken.None);
        _pulse.SetAfter(_reading);
    }

    private async Task<ReadResult> LookAsync(int known, int limit)
    {
        var began = _time.GetTimestamp();
        var look = await _reader.LookAsync(known, limit, _abort.Token).ConfigureAwait(false);
        OutboxMetrics.DatabaseDuration.Record(_time.GetElapsedTime(began).TotalSeconds, _source.State.Source, new("operation", "read"));
        if (look.Rows.Count > 0)
            OutboxMetrics.RelayBatchSize.Record(look.Rows.Count, _source.State.Source, new("operation", "read"));
        await _steps.ReachedAsync("read").ConfigureAwait(false);
        return new ReadResult(look, null, [], [], []);
    }

    private async Task<ReadResult> FetchAsync(IReadOnlyList<OutboxRow> wanted, IReadOnlyList<OutboxRow> behind) =>
        new(null, null, wanted, behind, await _reader.FetchAsync([.. wanted.Concat(behind).Select(r => r.Sequence).Order()], _abort.Token).ConfigureAwait(false));

    private async Task<ReadResult> FetchLateAsync(ReadResult result, OutboxReader.Look look, List<long> late)
    {
        // A transaction of a million rows that commits late comes a batch at a time, and nothing from above it meanwhile.
        var batch = late.Count <= _source.Options.BatchSize ? late : late.GetRange(0, _source.Options.BatchSize);
        var rows = await _reader.FetchLateAsync(batch, _abort.Token).ConfigureAwait(false);
        var isAll = look.LowIsEnd && batch.Count == late.Count && (rows.Count == batch.Count || rows.Count == 0 || rows[^1].Sequence == batch[^1]);
        return result with { Look = isAll ? look : look.LateOnly(), Late = rows };
    }

    private bool EndReading()
    {
        if (_reading is not { IsCompleted: true } reading)
            return false;
        _reading = null;
        var result = reading.GetAwaiter().GetResult();
        if (result.Apply is { } apply)
        {
            apply();
        }
        else if (result.Look is { } look)
        {
            if (result.Late is null && look.Low.Where(s => !_rows.Knows(s)).ToList() is { Count: > 0 } late)
            {
                // G3: what lies below goes before what was read above, so the whole look waits for it.
                Read(() => FetchLateAsync(result, look, late));
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
            if (row.Expired)
            {
                if (_rows.Hold(row))
                    _aside.Expire(row);
            }
            else if (row.DueIn <= RowsAside.Near)
            {
                _rows.Add(row);
            }
            else if (_rows.HoldAside(row))
            {
                _aside.Schedule(row);
            }
        }
        if (late.Count + look.Rows.Count > 0)
        {
            _emptyReads = 0;
            _nextReadAt = look.IsEnd ? After(FirstPoll) : _time.GetTimestamp();
            return;
        }
        if (_onAsleep is not null && !_reader.MayBeLate && _rows.Count == 0)
        {
            _nextReadAt = long.MaxValue;
            Interlocked.Exchange(ref _asleepAbove, _reader.Floor);
            _onAsleep();
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
                _aside.Expire(row);
            }
            else if (found.Key != row.Key)
            {
                // Mended by hand: it joins the key that it has now.
                _rows.Leave(row);
                _rows.Forget(row.Sequence);
                _rows.Add(found);
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

    private bool EndSettling()
    {
        if (_settler.End() is not { } settled)
            return false;
        if (settled.CameBack)
            _nextReadAt = _time.GetTimestamp();
        if (_reading is not null)
        {
            _settled.AddRange(settled.Gone);
        }
        else
        {
            foreach (var sequence in settled.Gone)
                _rows.Forget(sequence);
        }
        return true;
    }

    // ── Waiting and ending ──────────────────────────────────────────────────────────────────────────────────────

    private ValueTask WaitAsync(bool isReading)
    {
        var wake = TimeSpan.FromSeconds(10);
        void Until(long timestamp) => wake = TimeSpan.FromTicks(Math.Min(wake.Ticks, Math.Max(0, _time.GetElapsedTime(_time.GetTimestamp(), timestamp).Ticks)));
        if (isReading && _rows.Wake() is { } next && next < wake)
            wake = next;
        if (isReading && _reading is null && _rows.HasRoom && _nextReadAt != long.MaxValue)
            Until(_nextReadAt);
        if (isReading && _reading is null && _aside.NextReadAt is { } read)
            Until(read);
        if (_settler.DueAt is { } settle)
            Until(settle);
        if (_publisher.Listen() is { } more && (isReading || _publisher.IsSending))
            Until(more);
        // Rows may have been given up since settling was looked at.
        return wake <= TimeSpan.Zero || (_settler.Current is null && _rows.HasDead) ? ValueTask.CompletedTask : _pulse.WaitAsync(wake);
    }

    /// <summary>Waits for the answers to what was sent and settles them.</summary>
    private async Task FinishAsync(CancellationToken lostToken)
    {
        using var limit = new CancellationTokenSource(_source.Options.DrainTimeout, _time);
        using var late = limit.Token.UnsafeRegister(static pulse => ((Pulse)pulse!).Set(), _pulse);
        while (_publisher.IsSending || _publisher.Unanswered > 0 || _settler.HasWork)
        {
            lostToken.ThrowIfCancellationRequested();
            var progress = _publisher.Take();
            progress |= EndSettling();
            if (limit.IsCancellationRequested || !_publisher.IsConnected)
                progress |= _publisher.GiveUp();
            if (limit.IsCancellationRequested && _publisher.IsSending)
                return;
            _settler.Begin(atOnce: _publisher.Unanswered == 0);
            if (!progress)
                await WaitAsync(isReading: false).ConfigureAwait(false);
        }
    }

    private async Task CloseAsync()
    {
        await _abort.CancelAsync().ConfigureAwait(false);
        await _publisher.CloseAsync().ConfigureAwait(false);
        foreach (var task in (Task?[])[_settler.Current, _reading])
        {
            if (task is not null)
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose()
    {
        _abort.Dispose();
        _pulse.Dispose();
    }

    private long After(TimeSpan delay) => _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency);
}
