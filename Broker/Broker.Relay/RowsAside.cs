using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>The rows of a partition that do not go the straight way: those that have expired, are due much later, or were given up; and those that come back. Owned by one drainer; nothing here waits.</summary>
/// <remarks>
/// Each move is one transaction that checks the fencing token (G5). A death before its commit leaves the rows where they were, and the next relay finds them there; after it they are where they belong, and nothing
/// of them is in this memory that the next relay would miss. If only the answer is lost, nobody guesses: the drain ends, and the next one reads what is true.
/// A minute's sleep anywhere lets another relay do the same move; the sleeper's then finds the lease in other hands and moves nothing.
/// </remarks>
internal sealed class RowsAside(RelaySource source, IOutboxStore store, RowQueues rows, TimeProvider time, ILogger logger)
{
    /// <summary>Rows due within this time wait in memory; the others are moved out of the way of every read.</summary>
    internal static readonly TimeSpan Near = TimeSpan.FromSeconds(5);

    private const int DeadSize = 500;
    private const int MoveSize = 1_000;
    private const int ReturnSize = 2_000;
    private static readonly TimeSpan MoveDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstCheck = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestCheck = TimeSpan.FromSeconds(5);

    private readonly List<long> _expired = [];
    private readonly List<(long Sequence, long DueAt)> _later = [];
    private List<long> _due = [];
    private long _oldestMove;
    private bool _isLoaded;
    private long? _nextDueAt = time.GetTimestamp();
    private long? _movedDueAt;
    private long _nextCheckAt;
    private long _lastCheckAt;
    private TimeSpan _checkInterval = FirstCheck;

    /// <summary>One transaction to be run beside the drainer's loop.</summary>
    /// <param name="Sequences">The rows that are known and can be forgotten after it.</param>
    /// <param name="RunAsync">Runs it. False if the lease is in other hands.</param>
    /// <param name="Done">Takes over what it has changed.</param>
    internal sealed record Move(IReadOnlyList<long> Sequences, Func<CancellationToken, Task<bool>> RunAsync, Action Done);

    /// <summary>Whether rows wait for a move.</summary>
    public bool HasMoves => _expired.Count + _later.Count + _due.Count > 0 || rows.HasDead;

    /// <summary>The row's time has passed: it leaves unpublished.</summary>
    public void Expire(OutboxRow row)
    {
        Log.Expired(logger, source.Name, row.Sequence, row.Type);
        OutboxMetrics.Expired.Add(1, source.State.Source);
        Add(_expired, row.Sequence);
    }

    /// <summary>The row is due much later.</summary>
    public void Schedule(OutboxRow row) => Add(_later, (row.Sequence, After(row.DueIn)));

    /// <summary>The next transaction, or null if none is worth it yet.</summary>
    /// <param name="isFree">Whether nothing else waits to be settled.</param>
    public Move? NextMove(bool isFree)
    {
        if (rows.HasDead)
        {
            var dead = rows.TakeDead(DeadSize);
            return new Move([.. dead.Select(d => d.Row.Sequence)], cancellationToken => store.DeadLetterAsync(dead, cancellationToken), () => Buried(dead));
        }
        if (_due.Count > 0)
        {
            (var due, _due) = (_due, []);
            return new Move([], cancellationToken => store.ReturnAsync(due, cancellationToken), () => OutboxMetrics.CameDue.Add(due.Count, source.State.Source));
        }
        var isOld = _expired.Count + _later.Count > 0 && time.GetElapsedTime(_oldestMove) >= MoveDelay;
        if (_expired.Count >= MoveSize || (_expired.Count > 0 && (isFree || isOld)))
        {
            var expired = Take(_expired);
            return new Move(expired, cancellationToken => store.ExpireAsync(expired, cancellationToken), () => { });
        }
        if (_later.Count >= MoveSize || (_later.Count > 0 && (isFree || isOld)))
        {
            var later = Take(_later);
            List<long> sequences = later.ConvertAll(r => r.Sequence);
            return new Move(sequences, cancellationToken => store.ScheduleAsync(sequences, cancellationToken), () => Scheduled(later.Count, later.Min(r => r.DueAt)));
        }
        return null;
    }

    /// <summary>When <see cref="NextRead"/> has something next; null if that cannot be told by the clock.</summary>
    public long? NextReadAt
    {
        get
        {
            var next = _isLoaded ? long.MaxValue : time.GetTimestamp();
            if (_nextDueAt is { } due && _due.Count == 0 && rows.HasRoom)
                next = Math.Min(next, due);
            if (rows.Keys.Any)
                next = Math.Min(next, _nextCheckAt);
            return next == long.MaxValue ? null : next;
        }
    }

    /// <summary>The next read, or null if none is due. It gives what takes its findings over.</summary>
    public Func<CancellationToken, Task<Action>>? NextRead()
    {
        // G3: which keys are blocked is known before the first row is read.
        if (!_isLoaded)
            return LoadAsync;
        var now = time.GetTimestamp();
        if (_nextDueAt <= now && _due.Count == 0 && rows.HasRoom)
        {
            _movedDueAt = null;
            return ListDueAsync;
        }
        if (!rows.Keys.Any || _nextCheckAt > now)
            return null;
        return CheckAsync;
    }

    /// <summary>Somebody has rung: it may be an operator who has unblocked a key.</summary>
    public void Rung() => _nextCheckAt = Math.Min(_nextCheckAt, _lastCheckAt + Ticks(FirstCheck));

    // ── Coming back ─────────────────────────────────────────────────────────────────────────────────────────────

    private async Task<Action> LoadAsync(CancellationToken cancellationToken)
    {
        var letters = await store.ReadBlockingAsync(cancellationToken).ConfigureAwait(false);
        return () =>
        {
            _isLoaded = true;
            foreach (var letter in letters)
                rows.Keys.Block(letter.Key, letter.Sequence, letter.Type, letter.Reason, time.GetTimestamp() - Ticks(letter.Age));
            if (letters.Count > 0)
                Log.KeysBlocked(logger, source.Name, rows.Keys.All.Count());
            CheckedAt(isNews: true);
        };
    }

    private async Task<Action> CheckAsync(CancellationToken cancellationToken)
    {
        var version = rows.Keys.Version;
        var letters = (await store.ReadBlockingAsync(cancellationToken).ConfigureAwait(false)).Select(l => l.Key).ToHashSet(StringComparer.Ordinal);
        return () =>
        {
            // What was blocked after the read began is not in it.
            var released = rows.Keys.All.Where(k => !k.IsReleased && k.Version <= version && !letters.Contains(k.Key)).ToList();
            released.ForEach(rows.Release);
            if (released.Count > 0)
                Log.KeysFlow(logger, source.Name, released.Count);
            CheckedAt(isNews: released.Count > 0);
        };
    }

    private async Task<Action> ListDueAsync(CancellationToken cancellationToken)
    {
        var listed = await store.ListScheduledAsync(ReturnSize, cancellationToken).ConfigureAwait(false);
        return () =>
        {
            _due = [.. listed.TakeWhile(r => r.DueIn <= TimeSpan.Zero).Select(r => r.Id)];
            // The first one that is not due yet tells when to look again, and until then nobody asks. If all were due, there may be more.
            _nextDueAt = _due.Count < listed.Count ? After(listed[_due.Count].DueIn) : _due.Count == ReturnSize ? time.GetTimestamp() : null;
            // What was moved aside while the list was read may not be in it.
            if (_movedDueAt is { } moved)
                _nextDueAt = Earlier(_nextDueAt, moved);
            _movedDueAt = null;
        };
    }

    private static long Earlier(long? one, long other) => one is { } known && known < other ? known : other;

    private void CheckedAt(bool isNews)
    {
        _checkInterval = isNews || 2 * _checkInterval < LongestCheck ? isNews ? FirstCheck : 2 * _checkInterval : LongestCheck;
        _lastCheckAt = time.GetTimestamp();
        _nextCheckAt = After(_checkInterval);
    }

    // ── Leaving ─────────────────────────────────────────────────────────────────────────────────────────────────

    private void Scheduled(int count, long dueAt)
    {
        (_nextDueAt, _movedDueAt) = (Earlier(_nextDueAt, dueAt), Earlier(_movedDueAt, dueAt));
        OutboxMetrics.Scheduled.Add(count, source.State.Source);
        for (var i = 0; i < count; i++)
            rows.ForgetAside();
    }

    private void Buried(IReadOnlyList<DeadRow> dead)
    {
        OutboxMetrics.DeadLetters.Add(dead.Count, source.State.Source);
        foreach (var row in dead)
            rows.Buried(row);
        foreach (var alike in dead.GroupBy(d => (d.Row.Type, d.Reason, d.Blocks)))
        {
            var first = alike.First();
            var consequence = first.Blocks
                ? $"The later rows of its key wait until it is redriven or discarded: 'broker dead-letters list --source {source.Name}'."
                : $"Others go on. 'broker dead-letters list --source {source.Name}' shows it.";
            if (alike.Count() == 1)
                Log.DeadLettered(logger, source.Name, first.Row.Sequence, first.Row.Type, first.Attempts, first.Reason, consequence);
            else
                Log.ManyDeadLettered(logger, source.Name, alike.Count(), first.Row.Type, first.Reason, consequence);
        }
        _nextCheckAt = Math.Min(_nextCheckAt, After(FirstCheck));
        _checkInterval = FirstCheck;
    }

    private void Add<T>(List<T> to, T row)
    {
        if (_expired.Count + _later.Count == 0)
            _oldestMove = time.GetTimestamp();
        to.Add(row);
    }

    private List<T> Take<T>(List<T> from)
    {
        var batch = from.GetRange(0, Math.Min(from.Count, MoveSize));
        from.RemoveRange(0, batch.Count);
        _oldestMove = time.GetTimestamp();
        return batch;
    }

    private long After(TimeSpan delay) => time.GetTimestamp() + Ticks(delay);

    private long Ticks(TimeSpan delay) => (long)(delay.TotalSeconds * time.TimestampFrequency);
}
