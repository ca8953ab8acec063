using System.Globalization;

namespace Broker.Bench;

/// <summary>Several measurements of one thing.</summary>
/// <param name="Median">The middle one.</param>
/// <param name="Min">The lowest.</param>
/// <param name="Max">The highest.</param>
internal sealed record Range(double Median, double Min, double Max)
{
    /// <summary>Null if there are none.</summary>
    public static Range? Of(IEnumerable<double> values)
    {
        var all = values.ToList();
        return all.Count == 0 ? null : new Range(Statistics.Median(all), all.Min(), all.Max());
    }

    /// <summary>The middle one, and from where to where.</summary>
    public string ToString(string format) => string.Create(CultureInfo.InvariantCulture, $"{Median.ToString(format, CultureInfo.InvariantCulture)} ({Min.ToString(format, CultureInfo.InvariantCulture)}–{Max.ToString(format, CultureInfo.InvariantCulture)})");
}
