namespace Broker.Relay;

/// <summary>For engines that show uncommitted rows to who asks for them: a row that is written shows, for as long as its transaction is open.</summary>
/// <remarks>
/// Between taking its number and writing its row an INSERT needs an instant, or as long as it waits for a lock or sorts what it inserts; so a number counts as given up
/// only when it has been missing for a while. Should it come after all, the full scan finds it: late, and perhaps behind a later row of its key, but not lost (ADR 5).
/// </remarks>
internal sealed class UncommittedWatch(IOutboxStore store, TimeProvider time) : HoleWatch
{
    /// <summary>How long a number must have been missing.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private const int MostRows = 100_000;

    private readonly Queue<(long UpTo, long At)> _marks = [];
    private long _lastMark;
    private long _due;
    private long _lastLook = time.GetTimestamp() - time.TimestampFrequency;

    public override async Task<IReadOnlyList<Closed>> LookAsync(SequenceHoles holes, long cursor, CancellationToken cancellationToken)
    {
        if (!holes.Any)
        {
            Forget();
            return [];
        }
        if (time.GetElapsedTime(_lastLook) < Interval)
            return [];
        _lastLook = time.GetTimestamp();
        if (cursor > _lastMark)
            _marks.Enqueue((_lastMark = cursor, _lastLook));
        while (_marks.TryPeek(out var mark) && time.GetElapsedTime(mark.At) >= Patience)
            _due = _marks.Dequeue().UpTo;
        if (holes.Lowest > _due)
            return [];
        var uncommitted = await store.ListUncommittedAsync(holes.Spans(_due, MaxSpans), MostRows, cancellationToken).ConfigureAwait(false);
        var upTo = uncommitted.Count < MostRows ? _due : uncommitted[^1];
        return [new Closed(0, upTo, uncommitted)];
    }

    public override void Forget()
    {
        _marks.Clear();
        (_lastMark, _due) = (0, 0);
    }
}
