using System.Diagnostics.CodeAnalysis;

namespace Broker.Relay;

/// <summary>The rows that a relay holds, and which of them may be published now. Not thread-safe: one drainer owns it.</summary>
/// <remarks>
/// G3: of each key only the first row can be ready, until it is settled. A row whose type cannot be published waits with all others of its type behind one probe;
/// a row that itself cannot be published waits alone. Either way the later rows of its key wait too, and everything else flows (G7).
/// A row that is given up goes to the dead letters, and its key goes on or is blocked. Nothing that the broker does not say of the message itself brings a row there (G8).
/// Every row is in exactly one place: ready, behind its key, to be fetched, waiting for a time, waiting for its type, behind a blocked key, given up, or with the caller.
/// </remarks>
internal sealed partial class RowQueues(RelayOptions options, TimeProvider time)
{
    /// <summary>Rows behind a busy key keep their bodies up to this many, so that a hot key leaves room for the others.</summary>
    private const int BodiesPerKey = 16;

    private const long MaxBytes = 64 * 1024 * 1024;

    /// <summary>Rows of which only the sequence is kept, up to this many: those behind blocked keys, and scheduled ones on their way out.</summary>
    private const int MaxAside = 1_000_000;

    private const int FetchSize = 500;

    private const int MaxEmptied = 1_000;

    private readonly Dictionary<string, Queue<OutboxRow>> _behind = new(StringComparer.Ordinal);

    /// <summary>What stands behind a key of which only one row is known, as for most: never filled.</summary>
    private readonly Queue<OutboxRow> _nobody = new(0);
    private readonly Stack<Queue<OutboxRow>> _emptied = new();
    private readonly PriorityQueue<OutboxRow, long> _ready = new();
    private readonly PriorityQueue<OutboxRow, long> _toFetch = new();
    private readonly PriorityQueue<OutboxRow, long> _timed = new();
    private readonly Dictionary<string, BlockedType> _blockedTypes = new(StringComparer.Ordinal);
    private readonly Queue<DeadRow> _dead = new();
    private readonly Dictionary<long, OutboxRow> _failing = [];
    private readonly HashSet<long> _known = [];
    private long _bytes;
    private int _bodies;
    private int _aside;

    /// <summary>Rows held in any way, settled ones not yet forgotten included.</summary>
    public int Count => _known.Count;

    /// <summary>How many more rows can be read now.</summary>
    public int Room => _known.Count - _aside >= options.MaxWaitingRows || _aside >= MaxAside || _bytes >= MaxBytes ? 0 : Math.Min(options.ReadAhead - _bodies, options.MaxWaitingRows - (_known.Count - _aside));

    /// <summary>Whether there is room for a read that is worth its statement.</summary>
    public bool HasRoom => Room >= Math.Min(options.BatchSize, Math.Max(1, options.ReadAhead / 4));

    public bool HasReady => _ready.Count > 0;

    public bool HasToFetch => _toFetch.Count > 0;

    /// <summary>The keys that wait for an operator.</summary>
    public BlockedKeys Keys { get; } = new();

    /// <summary>The types that cannot be published now.</summary>
    public IEnumerable<BlockedType> Types => _blockedTypes.Values;

    /// <summary>The rows that failed themselves and are tried again.</summary>
    public IReadOnlyCollection<OutboxRow> Failing => _failing.Values;

    public bool HasDead => _dead.Count > 0;

    /// <summary>The state of a type that cannot be published now; null if it can.</summary>
    public BlockedType? Blocked(string type) => _blockedTypes.Count == 0 ? null : _blockedTypes.GetValueOrDefault(type);

    public bool Knows(long sequence) => _known.Contains(sequence);

    /// <summary>Takes a row over.</summary>
    public void Add(OutboxRow row)
    {
        if (!_known.Add(row.Sequence))
            return;
        Counted(row);
        if (row.DueIn > TimeSpan.Zero)
            WaitUntil(row, row.DueIn);
        else
            Enter(row);
    }

    /// <summary>Hands out the lowest row that may be published now.</summary>
    public bool TryTake([NotNullWhen(true)] out OutboxRow? row)
    {
        while (_ready.TryDequeue(out row, out _))
        {
            if (!_blockedTypes.TryGetValue(row.Type, out var blocked) || blocked.Probe == row)
                return true;
            Drop(row);
            blocked.Wait(row);
        }
        return false;
    }

    /// <summary>The row is published and safe: the next of its key may go. It stays known until <see cref="Forget"/>.</summary>
    public void Confirmed(OutboxRow row)
    {
        Drop(row);
        Mended(row);
        if (_blockedTypes.Remove(row.Type, out var blocked))
        {
            while (blocked.Rows.TryDequeue(out var waiting, out var sequence))
                _toFetch.Enqueue(waiting, sequence);
        }
        Next(row);
    }

    /// <summary>The row is gone from the outbox, or was never there.</summary>
    public void Forget(long sequence) => _known.Remove(sequence);

    /// <summary>The row's fate is unknown, or it was not sent after all: it goes first again.</summary>
    public void Again(OutboxRow row)
    {
        if (_blockedTypes.TryGetValue(row.Type, out var blocked) && blocked.Probe == row)
        {
            blocked.Probe = null;
            blocked.RetryAt = time.GetTimestamp();
            Drop(row);
            blocked.WaitOn(row);
            return;
        }
        _ready.Enqueue(row, row.Sequence);
    }

    /// <summary>Moves rows whose time has come. Returns when the next one's comes, or null.</summary>
    public TimeSpan? Wake()
    {
        var now = time.GetTimestamp();
        var next = long.MaxValue;
        while (_timed.TryPeek(out var row, out var at))
        {
            if (at > now)
            {
                next = at;
                break;
            }
            _timed.Dequeue();
            // A row that failed is still the first of its key; one that was scheduled joins its key only now.
            if (row.Failures > 0)
                _toFetch.Enqueue(row, row.Sequence);
            else
                Enter(row);
        }
        foreach (var blocked in _blockedTypes.Values)
        {
            if (blocked.Probe is not null)
                continue;
            if (blocked.RetryAt > now)
                next = Math.Min(next, blocked.RetryAt);
            else if (blocked.Rows.TryDequeue(out var probe, out var sequence))
                _toFetch.Enqueue(blocked.Probe = probe, sequence);
        }
        return next == long.MaxValue ? null : time.GetElapsedTime(now, next);
    }

    /// <summary>The rows whose bodies are wanted next; hand each of them to <see cref="Fetched"/> or <see cref="Leave"/>.</summary>
    public IReadOnlyList<OutboxRow> TakeToFetch()
    {
        var rows = new List<OutboxRow>();
        while (rows.Count < FetchSize && _toFetch.TryDequeue(out var row, out _))
            rows.Add(row);
        return rows;
    }

    /// <summary>The later rows of a key that wait without their bodies, to be fetched along with its first one.</summary>
    public IEnumerable<OutboxRow> BareBehind(string key) => _behind[key].Take(FetchSize).Where(r => r.Envelope is null && r.Unreadable is null);

    /// <summary>A body has come for a row that waits to be published.</summary>
    public void Fetched(OutboxRow row, OutboxRow fetched)
    {
        // A row that was mended may be of another type by now, and then it asks for that.
        if (row.Type != fetched.Type && _blockedTypes.TryGetValue(row.Type, out var blocked) && blocked.Probe == row)
            (blocked.Probe, blocked.RetryAt) = (null, time.GetTimestamp());
        Attach(row, fetched);
        _ready.Enqueue(row, row.Sequence);
    }

    /// <summary>A body has come for a row that waits behind its key.</summary>
    public void Attach(OutboxRow row, OutboxRow fetched)
    {
        if (row.Envelope is not null)
            return;
        (row.Envelope, row.Unreadable, row.Type, row.Memory) = (fetched.Envelope, fetched.Unreadable, fetched.Type, fetched.Memory);
        Counted(row);
    }

    /// <summary>The row will not be published: it has expired, or somebody else has removed it. The next of its key may go. It stays known until <see cref="Forget"/>.</summary>
    public void Leave(OutboxRow row)
    {
        if (_blockedTypes.TryGetValue(row.Type, out var blocked) && blocked.Probe == row)
            blocked.Probe = null;
        Drop(row);
        Mended(row);
        Next(row);
    }

    /// <summary>Remembers a row that is not to be published, until <see cref="Forget"/>. False if it is known already.</summary>
    public bool Hold(OutboxRow row) => _known.Add(row.Sequence);

    /// <summary>As <see cref="Hold"/>, for a row that waits elsewhere: it takes no room from the others. Give it back with <see cref="ForgetAside"/>.</summary>
    public bool HoldAside(OutboxRow row)
    {
        if (!_known.Add(row.Sequence))
            return false;
        _aside++;
        return true;
    }

    /// <summary>A row that was held aside is on its way to be forgotten.</summary>
    public void ForgetAside() => _aside--;

    /// <summary>How many rows wait behind a row of this key.</summary>
    public int CountBehind(string key) => _behind.TryGetValue(key, out var queue) ? queue.Count : 0;

    private void Enter(OutboxRow row)
    {
        if (row.Key is not null)
        {
            if (Keys.TryGet(row.Key, out var entry))
            {
                PutBehind(entry, row);
                return;
            }
            if (_behind.TryGetValue(row.Key, out var queue))
            {
                if (ReferenceEquals(queue, _nobody))
                    _behind[row.Key] = queue = _emptied.TryPop(out var emptied) ? emptied : new Queue<OutboxRow>();
                if (queue.Count >= BodiesPerKey)
                    Drop(row);
                queue.Enqueue(row);
                return;
            }
            _behind.Add(row.Key, _nobody);
        }
        MakeReady(row);
    }

    private void Next(OutboxRow row)
    {
        if (row.Key is null)
            return;
        if (_behind[row.Key].TryDequeue(out var next))
        {
            MakeReady(next);
            return;
        }
        _behind.Remove(row.Key, out var queue);
        // Many keys have a second row now and then: a queue that has stayed small serves the next of them.
        if (queue!.Capacity is > 0 and <= BodiesPerKey && _emptied.Count < MaxEmptied)
            _emptied.Push(queue);
        if (Keys.TryGet(row.Key, out var entry) && entry.IsReleased)
            Feed(entry);
    }

    private void MakeReady(OutboxRow row)
    {
        if (row.Envelope is null && row.Unreadable is null)
            _toFetch.Enqueue(row, row.Sequence);
        else
            _ready.Enqueue(row, row.Sequence);
    }

    private void WaitUntil(OutboxRow row, TimeSpan delay)
    {
        Drop(row);
        _timed.Enqueue(row, After(delay));
    }

    private long After(TimeSpan delay) => time.GetTimestamp() + Ticks(delay);

    private long Ticks(TimeSpan delay) => (long)(delay.TotalSeconds * time.TimestampFrequency);

    private void Counted(OutboxRow row)
    {
        if (row.Envelope is null)
            return;
        _bodies++;
        _bytes += row.Envelope.Body.Length;
    }

    private void Drop(OutboxRow row)
    {
        if (row.Envelope is null)
            return;
        _bodies--;
        _bytes -= row.Envelope.Body.Length;
        row.Envelope = null;
    }
}
