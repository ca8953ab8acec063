namespace Broker.Bench;

/// <summary>Middle and edges of a few numbers.</summary>
internal static class Statistics
{
    /// <summary>The middle one, or the mean of the two in the middle.</summary>
    public static double Median(IEnumerable<double> values) => Percentile(values, 50);

    /// <summary>The value below which so many per cent of them lie, between its two neighbours in proportion.</summary>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static double Percentile(IEnumerable<double> values, double percent)
    {
        var sorted = values.Order().ToList();
        if (sorted.Count == 0)
            throw new ArgumentException("There are no values.", nameof(values));
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        var place = percent / 100 * (sorted.Count - 1);
        var below = (int)place;
        return below + 1 == sorted.Count ? sorted[below] : sorted[below] + ((place - below) * (sorted[below + 1] - sorted[below]));
    }
}
