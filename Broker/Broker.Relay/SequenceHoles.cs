namespace Broker.Relay;

/// <summary>The numbers below the highest one read that have not been seen: rolled back, in another partition, or of a transaction that has yet to commit. Kept as ranges, in order.</summary>
internal sealed class SequenceHoles
{
    private readonly List<(long First, long Last)> _ranges = [];

    public bool Any => _ranges.Count > 0;

    /// <summary>The lowest hole; only when there is <see cref="Any"/>.</summary>
    public long Lowest => _ranges[0].First;

    /// <summary>Adds a range above all others.</summary>
    public void Append(long first, long last)
    {
        if (first <= last)
            _ranges.Add((first, last));
    }

    /// <summary>A number was seen after all. False if it was no hole.</summary>
    public bool Fill(long sequence)
    {
        var at = IndexOf(sequence);
        if (at == _ranges.Count || _ranges[at].First > sequence)
            return false;
        var (first, last) = _ranges[at];
        _ranges.RemoveAt(at);
        if (sequence < last)
            _ranges.Insert(at, (sequence + 1, last));
        if (first < sequence)
            _ranges.Insert(at, (first, sequence - 1));
        return true;
    }

    /// <summary>Nothing can appear above one number and up to another any more, except at some.</summary>
    public void Close(long after, long upTo, IReadOnlyCollection<long> except)
    {
        var from = after == long.MaxValue ? _ranges.Count : IndexOf(after + 1);
        var to = from;
        var left = new List<(long First, long Last)>();
        for (; to < _ranges.Count && _ranges[to].First <= upTo; to++)
        {
            var (first, last) = _ranges[to];
            if (first <= after)
                left.Add((first, after));
            var (low, high) = (Math.Max(first, after + 1), Math.Min(last, upTo));
            left.AddRange(except.Where(s => s >= low && s <= high).Order().Select(s => (s, s)));
            if (last > upTo)
                left.Add((upTo + 1, last));
        }
        _ranges.RemoveRange(from, to - from);
        _ranges.InsertRange(from, left);
    }

    /// <summary>Ranges that cover all holes up to a number, at most so many. Where there are more, neighbours are joined, the nearest first: what lies between them was seen, and is walked again.</summary>
    public IReadOnlyList<(long First, long Last)> Spans(long upTo, int most)
    {
        var spans = new List<(long First, long Last)>();
        for (var near = 0L; ; near = Math.Max(16, near * 8))
        {
            spans.Clear();
            foreach (var (first, last) in _ranges)
            {
                if (first > upTo || spans.Count > most)
                    break;
                if (spans.Count > 0 && first - spans[^1].Last <= near)
                    spans[^1] = (spans[^1].First, Math.Min(last, upTo));
                else
                    spans.Add((first, Math.Min(last, upTo)));
            }
            if (spans.Count <= most)
                return spans;
        }
    }

    public void Clear() => _ranges.Clear();

    /// <summary>The first range that ends at or above a number.</summary>
    private int IndexOf(long sequence)
    {
        var (low, high) = (0, _ranges.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_ranges[middle].Last < sequence)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
