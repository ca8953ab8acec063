namespace Broker.Relay;

/// <summary>Stage 3, reading: finds every committed row once, in order, also those that commit after higher ones were read.</summary>
/// <remarks>
/// A number is taken at the insert and shows at the commit, so rows can appear below the highest one read, the <see cref="Cursor"/>: where a number is missing, a hole.
/// As long as there are holes, each look reads above the cursor and then lists what lies from the lowest hole up to it; what is listed and not known is late, and goes first.
/// That order of the two statements keeps G3: a row of a key is inserted after the key's earlier row has committed, so whoever sees the later one
/// and lists afterwards sees the earlier one too.
/// A hole closes when its row appears, or when none can: on engines whose writers take turns at once; elsewhere, when every transaction that was writing after its
/// number had been given out has ended. A full scan now and then is the net under both: for a database restored from a backup, or a number written by hand.
/// </remarks>
internal sealed class OutboxReader(IOutboxStore store, TimeProvider time)
{
    private static readonly TimeSpan CloseInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan FullScanInterval = TimeSpan.FromSeconds(60);

    private readonly SequenceHoles _holes = new();
    private readonly HashSet<string> _writers = [];
    private long _lastFullScan = time.GetTimestamp();
    private long _lastCloseLook = time.GetTimestamp() - time.TimestampFrequency;
    private long? _candidate;
    private long? _safe;

    /// <summary>The highest sequence read so far.</summary>
    public long Cursor { get; private set; }

    /// <summary>Every row at or below it has been seen, and none can appear there.</summary>
    public long Floor => _holes.Any ? _holes.Lowest - 1 : Cursor;

    /// <summary>Whether a row may still appear below the cursor.</summary>
    public bool MayBeLate => _holes.Any;

    /// <summary>One look. Runs beside the relay's other work; <see cref="Finish"/> takes its findings over.</summary>
    /// <param name="nothingKnown">Whether the relay holds no row at all, so that one statement from the floor upwards shows everything.</param>
    /// <param name="limit">Most rows to read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Look> LookAsync(bool nothingKnown, int limit, CancellationToken cancellationToken)
    {
        await LookForWritersAsync(cancellationToken).ConfigureAwait(false);
        var isFull = time.GetElapsedTime(_lastFullScan) >= FullScanInterval;
        if (isFull)
            _lastFullScan = time.GetTimestamp();
        var from = isFull ? 0 : Floor;
        var after = nothingKnown ? from : Cursor;
        var (rows, isEnd) = await store.ReadAsync(after, limit, cancellationToken).ConfigureAwait(false);
        var low = after > from ? await store.ListAsync(from, after, cancellationToken).ConfigureAwait(false) : [];
        return new Look(rows, isEnd, low, after, isFull, _safe);
    }

    /// <summary>Rows that a look has listed but not read.</summary>
    public Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => store.FetchAsync(sequences, cancellationToken);

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
            if (!store.CommitsInSequenceOrder)
                _holes.Append(Cursor + 1, row.Sequence - 1);
            Cursor = row.Sequence;
        }
        if (stray && look.IsFull)
        {
            // Rows where none could be: the numbers have started again. Trust nothing that was derived from them.
            (_candidate, _safe) = (null, null);
            _holes.Clear();
            _holes.Append(1, Cursor);
            return;
        }
        if (look.Safe is { } safe)
        {
            // A read that began below the cursor and stopped at its limit has not seen everything up to the cursor.
            var seen = look.IsEnd || look.Rows.Count == 0 ? Cursor : Math.Max(look.Rows[^1].Sequence, look.After);
            _holes.CloseUpTo(Math.Min(safe, seen));
        }
    }

    private async Task LookForWritersAsync(CancellationToken cancellationToken)
    {
        if (!_holes.Any || time.GetElapsedTime(_lastCloseLook) < CloseInterval)
            return;
        _lastCloseLook = time.GetTimestamp();
        if (_candidate is null)
        {
            // First the number, then the writers: whoever holds a number up to it is among them, or has ended.
            _candidate = await store.ReadLastSequenceAsync(cancellationToken).ConfigureAwait(false);
            if (_candidate is null)
                return;
            _writers.Clear();
            _writers.UnionWith(await store.ListWritersAsync(cancellationToken).ConfigureAwait(false));
        }
        else
        {
            _writers.IntersectWith(await store.ListWritersAsync(cancellationToken).ConfigureAwait(false));
        }
        if (_writers.Count > 0)
            return;
        _safe = _candidate;
        _candidate = null;
    }

    /// <summary>What one look has found.</summary>
    /// <param name="Rows">The rows above <paramref name="After"/>.</param>
    /// <param name="IsEnd">Whether there were no more of them.</param>
    /// <param name="Low">The sequences of the rows at or below <paramref name="After"/>, known ones included.</param>
    /// <param name="After">Where reading began.</param>
    /// <param name="IsFull">Whether everything was looked at, whatever the floor.</param>
    /// <param name="Safe">A number up to which everything that will ever be committed was committed before the look.</param>
    internal sealed record Look(IReadOnlyList<OutboxRow> Rows, bool IsEnd, IReadOnlyList<long> Low, long After, bool IsFull, long? Safe);
}
