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
        var (low, high) = (0, _ranges.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var (first, last) = _ranges[middle];
            if (sequence > last)
            {
                low = middle + 1;
                continue;
            }
            if (sequence < first)
            {
                high = middle - 1;
                continue;
            }
            _ranges.RemoveAt(middle);
            if (sequence < last)
                _ranges.Insert(middle, (sequence + 1, last));
            if (first < sequence)
                _ranges.Insert(middle, (first, sequence - 1));
            return true;
        }
        return false;
    }

    /// <summary>Nothing can appear at or below a number any more.</summary>
    public void CloseUpTo(long sequence)
    {
        var closed = 0;
        while (closed < _ranges.Count && _ranges[closed].Last <= sequence)
            closed++;
        _ranges.RemoveRange(0, closed);
        if (_ranges.Count > 0 && _ranges[0].First <= sequence)
            _ranges[0] = (sequence + 1, _ranges[0].Last);
    }

    public void Clear() => _ranges.Clear();
}
