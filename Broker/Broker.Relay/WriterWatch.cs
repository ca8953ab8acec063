namespace Broker.Relay;

/// <summary>For engines that list the transactions that write to the outbox: a number that was given out can only be used by a transaction that was writing then.</summary>
/// <remarks>
/// Time is cut into spans. A span holds the numbers that were given out during it, and the writers that may have taken them; when they have all ended, nothing can appear in it any more.
/// A writer that was idle in its transaction all through a span has taken none of its numbers, so one that stays open for an hour holds up only the span that it wrote in.
/// </remarks>
internal sealed class WriterWatch(IOutboxStore store, TimeProvider time) : HoleWatch
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private const int MostSpans = 64;

    private readonly List<Span> _spans = [];
    private Dictionary<string, string?> _writers = [];
    private Dictionary<string, string?> _writersBefore = [];
    private long _upTo;
    private long _lastLook = time.GetTimestamp() - time.TimestampFrequency;

    private sealed record Span(long After, long UpTo, HashSet<string> Writers);

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
        // First the number, then the writers: whoever holds a number up to it is among them, or has ended.
        if (await store.ReadLastSequenceAsync(cancellationToken).ConfigureAwait(false) is not { } last)
            return [];
        var writers = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (writer, idleSince) in await store.ListWritersAsync(cancellationToken).ConfigureAwait(false))
            writers[writer] = idleSince;

        foreach (var span in _spans)
            span.Writers.IntersectWith(writers.Keys);
        if (last > _upTo)
        {
            // The span began with the number of the last look, which was read before that look's writers: only who was idle at the look before that was idle all the time.
            _spans.Add(new Span(_upTo, last, [.. writers.Where(w => w.Value is null || _writersBefore.GetValueOrDefault(w.Key) != w.Value).Select(w => w.Key)]));
            _upTo = last;
        }
        (_writersBefore, _writers) = (_writers, writers);

        var closed = _spans.Where(s => s.Writers.Count == 0).Select(s => new Closed(s.After, s.UpTo, [])).ToList();
        _spans.RemoveAll(s => s.Writers.Count == 0);
        if (_spans.Count > MostSpans)
            Join();
        return closed;
    }

    public override void Forget()
    {
        _spans.Clear();
        _writers = [];
        _writersBefore = [];
        _upTo = 0;
    }

    /// <summary>Makes one span of each two neighbours.</summary>
    private void Join()
    {
        for (var i = 0; i + 1 < _spans.Count; i++)
        {
            var (first, second) = (_spans[i], _spans[i + 1]);
            _spans[i] = new Span(first.After, second.UpTo, [.. first.Writers, .. second.Writers]);
            _spans.RemoveAt(i + 1);
        }
    }
}
