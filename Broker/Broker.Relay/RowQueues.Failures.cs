using Outbox;
using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>Rows that cannot be published: they wait and are tried again, are given up, and wait for an operator.</summary>
internal sealed partial class RowQueues
{
    /// <summary>No row of this type can be published now. Returns whether that is news: rows that were on their way when the type was blocked say nothing new.</summary>
    /// <param name="row">The row that came back.</param>
    /// <param name="reason">Why.</param>
    /// <param name="isUnroutable">Whether the broker knows no queue for the type. If it says so for long enough, the rows that have waited so long are given up.</param>
    public bool Block(OutboxRow row, string reason, bool isUnroutable)
    {
        if (!_blockedTypes.TryGetValue(row.Type, out var blocked))
            _blockedTypes.Add(row.Type, blocked = new BlockedType { Type = row.Type });
        var wasProbe = blocked.Probe == row;
        var isNews = blocked.Failures == 0 || wasProbe;
        if (isNews)
            blocked.Failed(reason, isUnroutable, time, failures => After(Backoff.Delay(failures, options.RetryDelay, options.MaxRetryDelay)), 2 * options.MaxRetryDelay);
        Drop(row);
        if (wasProbe)
            blocked.WaitOn(row);
        else
            blocked.Wait(row);
        // G6, G8: a return says that the broker is well and that nobody wants the type; a nack or silence says neither.
        while (isNews && isUnroutable && blocked.Rows.TryPeek(out var waiting, out _) && blocked.Unroutable - waiting.HeldFrom >= options.UnroutableTimeout)
        {
            blocked.Rows.Dequeue();
            if (waiting.FirstFailedAt == 0)
                waiting.FirstFailedAt = time.GetTimestamp() - Ticks(blocked.Unroutable - waiting.HeldFrom);
            GiveUp(waiting, reason, blocked.Failures);
        }
        return isNews;
    }

    /// <summary>This row itself cannot be published now; it is tried again later. Returns the wait, or null if it was tried often enough and is given up.</summary>
    public TimeSpan? Fail(OutboxRow row, string reason)
    {
        if (row.FirstFailedAt == 0)
            row.FirstFailedAt = time.GetTimestamp();
        row.Reason = reason;
        // It says nothing about its type: another one has to ask for that.
        if (_blockedTypes.TryGetValue(row.Type, out var blocked) && blocked.Probe == row)
            (blocked.Probe, blocked.RetryAt) = (null, time.GetTimestamp());
        if (++row.Failures >= options.MaxAttempts)
        {
            GiveUp(row, reason, row.Failures);
            return null;
        }
        _failing[row.Sequence] = row;
        var delay = Backoff.Delay(row.Failures, options.RetryDelay, options.MaxRetryDelay);
        WaitUntil(row, delay);
        return delay;
    }

    /// <summary>The rows that were given up; hand each of them to <see cref="Buried"/> once it lies in the dead letters. Their keys wait meanwhile.</summary>
    public IReadOnlyList<DeadRow> TakeDead(int limit)
    {
        var dead = new List<DeadRow>();
        while (dead.Count < limit && _dead.TryDequeue(out var row))
            dead.Add(row);
        return dead;
    }

    /// <summary>The row lies in the dead letters. Its key goes on, or waits for an operator.</summary>
    public void Buried(DeadRow dead)
    {
        var row = dead.Row;
        Mended(row);
        if (!dead.Blocks || row.Key is null)
        {
            Next(row);
            return;
        }
        var entry = Keys.Block(row.Key, row.Sequence, row.Type, dead.Reason, row.FirstFailedAt);
        if (_behind.Remove(row.Key, out var queue))
        {
            foreach (var waiting in queue)
                PutBehind(entry, waiting);
        }
    }

    /// <summary>An operator has taken the key's dead letters away. What he put back goes first, then what has waited.</summary>
    public void Release(BlockedKeys.Entry entry)
    {
        foreach (var letter in entry.Letters)
        {
            if (_known.Add(letter))
                _aside++;
            entry.Wait(letter);
        }
        entry.Letters.Clear();
        entry.IsReleased = true;
        if (!_behind.ContainsKey(entry.Key))
            Feed(entry);
    }

    private void PutBehind(BlockedKeys.Entry entry, OutboxRow row)
    {
        Drop(row);
        Mended(row);
        entry.Wait(row.Sequence);
        _aside++;
    }

    /// <summary>The next rows of a key that was blocked. New ones go on joining its end until all are through.</summary>
    private void Feed(BlockedKeys.Entry entry)
    {
        if (entry.Waiting.Count == 0)
        {
            Keys.Remove(entry);
            return;
        }
        var rows = entry.Waiting.GetRange(0, Math.Min(entry.Waiting.Count, FetchSize)).ConvertAll(sequence => new OutboxRow { Sequence = sequence, Key = entry.Key, Type = "" });
        entry.Waiting.RemoveRange(0, rows.Count);
        _aside -= rows.Count;
        _behind.Add(entry.Key, new Queue<OutboxRow>(rows.Skip(1)));
        MakeReady(rows[0]);
    }

    private void GiveUp(OutboxRow row, string reason, int attempts)
    {
        Drop(row);
        row.Reason = reason;
        _dead.Enqueue(new DeadRow(row, reason, attempts, time.GetElapsedTime(row.FirstFailedAt), row.Key is not null && options.PolicyOf(row.Type) == DeadLetterPolicy.BlockKey));
    }

    private void Mended(OutboxRow row)
    {
        if (row.Failures > 0)
            _failing.Remove(row.Sequence);
    }
}
