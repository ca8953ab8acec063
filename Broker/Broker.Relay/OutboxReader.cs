using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Stage 3, reading: finds every committed row once, in order, also those that commit after higher ones were read.</summary>
/// <remarks>
/// A number is taken at the insert and shows at the commit, so rows can appear below the highest one read, the <see cref="Cursor"/>: where a number is missing, a hole.
/// As long as there are holes, each look reads above the cursor and then lists what lies in them; what is listed and not known is late, and goes first.
/// That order of the two statements keeps G3: a row of a key is inserted after the key's earlier row has committed, so whoever sees the later one
/// and lists afterwards sees the earlier one too.
/// Only the holes are looked into, not what lies between them: rows that were published and deleted leave dead entries behind, which a long transaction of anybody keeps from being removed.
/// When a hole closes is up to the <see cref="HoleWatch"/>. A full scan now and then is the net under it: for a database restored from a backup, or a number written by hand.
/// </remarks>
internal sealed class OutboxReader(IOutboxStore store, TimeProvider time)
{
    private static readonly TimeSpan FullScanInterval = TimeSpan.FromSeconds(60);

    /// <summary>A full scan that takes long must not become most of the work: at most this part of the time.</summary>
    private const int FullScanShare = 50;

    /// <summary>A floor this near to the cursor is worth one statement instead of two.</summary>
    private const long Near = 5_000;

    /// <summary>Rows listed beyond those that are known.</summary>
    private const int ListSize = 10_000;

    private readonly SequenceHoles _holes = new();
    private readonly HoleWatch _watch = HoleWatch.For(store, time);
    private long _lastFullScan = time.GetTimestamp();
    private TimeSpan _fullScanInterval = FullScanInterval;

    /// <summary>The highest sequence read so far.</summary>
    public long Cursor { get; private set; }

    /// <summary>Every row at or below it has been seen, and none can appear there.</summary>
    public long Floor => _holes.Any ? _holes.Lowest - 1 : Cursor;

    /// <summary>Whether a row may still appear below the cursor.</summary>
    public bool MayBeLate => _holes.Any;

    /// <summary>One look. Runs beside the relay's other work; <see cref="Finish"/> takes its findings over.</summary>
    /// <param name="known">How many rows the relay holds. If it holds none, one statement from the floor upwards can show everything.</param>
    /// <param name="limit">Most rows to read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Look> LookAsync(int known, int limit, CancellationToken cancellationToken)
    {
        var closed = await _watch.LookAsync(_holes, Cursor, cancellationToken).ConfigureAwait(false);
        var began = time.GetTimestamp();
        var isFull = time.GetElapsedTime(_lastFullScan, began) >= _fullScanInterval;
        var from = isFull ? 0 : Floor;
        var after = known == 0 && (isFull || Cursor - from <= Near) ? from : Cursor;
        var (rows, isEnd) = await store.ReadAsync(after, limit, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<(long, long)> spans = after == from ? [] : isFull ? [(1, after)] : _holes.Spans(after, HoleWatch.MaxSpans);
        var most = known + ListSize;
        var low = spans.Count == 0 ? [] : await store.ListAsync(spans, most, cancellationToken).ConfigureAwait(false);
        if (isFull)
        {
            _lastFullScan = time.GetTimestamp();
            var patience = time.GetElapsedTime(began) * FullScanShare;
            _fullScanInterval = patience > FullScanInterval ? patience : FullScanInterval;
        }
        return new Look(rows, isEnd, low, low.Count < most, after, isFull, closed);
    }

    /// <summary>Late rows, in order; not all of them when they are large.</summary>
    public Task<IReadOnlyList<OutboxRow>> FetchLateAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => store.FetchAsync(sequences, stopsEarly: true, cancellationToken);

    /// <summary>Rows whose bodies are wanted again.</summary>
    public Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => store.FetchAsync(sequences, stopsEarly: false, cancellationToken);

    /// <summary>Moves the cursor and closes holes after the rows of a look, late ones included, are in the relay's hands.</summary>
    /// <param name="look">The look.</param>
    /// <param name="late">The sequences that were found below the cursor and not known.</param>
    public void Finish(Look look, IEnumerable<long> late)
    {
        var stray = false;
        foreach (var sequence in late)
            stray |= !_holes.Fill(sequence);
        foreach (var row in look.Rows)
        {
            if (row.Sequence <= Cursor)
            {
                stray |= !_holes.Fill(row.Sequence);
                continue;
            }
            if (store.LateRows != LateRows.Never)
                _holes.Append(Cursor + 1, row.Sequence - 1);
            Cursor = row.Sequence;
        }
        if (stray && look.IsFull)
        {
            // Rows where none could be: the numbers have started again. Trust nothing that was derived from them.
            _watch.Forget();
            _holes.Clear();
            _holes.Append(1, Cursor);
            return;
        }
        // A read that began below the cursor and stopped at its limit has not seen everything up to the cursor.
        var seen = look.IsEnd || look.Rows.Count == 0 ? Cursor : Math.Max(look.Rows[^1].Sequence, look.After);
        foreach (var closed in look.Closed)
            _holes.Close(closed.After, Math.Min(closed.UpTo, seen), closed.Except);
    }

    /// <summary>What one look has found.</summary>
    /// <param name="Rows">The rows above <paramref name="After"/>.</param>
    /// <param name="IsEnd">Whether there were no more of them.</param>
    /// <param name="Low">The sequences of the rows at or below <paramref name="After"/> where rows can be late, known ones included.</param>
    /// <param name="LowIsEnd">Whether there were no more of those.</param>
    /// <param name="After">Where reading began.</param>
    /// <param name="IsFull">Whether everything was looked at, whatever the holes.</param>
    /// <param name="Closed">The holes in which everything that will ever be committed was committed before the look.</param>
    internal sealed record Look(IReadOnlyList<OutboxRow> Rows, bool IsEnd, IReadOnlyList<long> Low, bool LowIsEnd, long After, bool IsFull, IReadOnlyList<HoleWatch.Closed> Closed)
    {
        /// <summary>The look without what it read above its late rows: for when not all of those can be taken at once.</summary>
        public Look LateOnly() => this with { Rows = [], IsEnd = false, Closed = [] };
    }
}
