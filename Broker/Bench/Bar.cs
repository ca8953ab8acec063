namespace Broker.Bench;

/// <summary>One bar of a chart.</summary>
/// <param name="Label">What it stands for.</param>
/// <param name="Value">Its length.</param>
/// <param name="Min">The lowest measurement.</param>
/// <param name="Max">The highest measurement.</param>
internal sealed record Bar(string Label, double Value, double Min, double Max)
{
    public static Bar Of(string label, Range range) => new(label, range.Median, range.Min, range.Max);
}
