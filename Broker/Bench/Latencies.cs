using System.Globalization;

namespace Broker.Bench;

/// <summary>How latencies are shown, the same by every verb.</summary>
internal static class Latencies
{
    public static IReadOnlyList<string> Columns { get; } = ["", "messages", "p50 ms", "p90 ms", "p99 ms", "max ms"];

    /// <summary>Adds results to a report whose table is about something else, and says them in a sentence.</summary>
    public static string Sentence(BenchReport report, string what, IReadOnlyList<double> milliseconds)
    {
        double At(double percent) => Statistics.Percentile(milliseconds, percent);
        foreach (var percent in (double[])[50, 90, 99])
            report.Results[string.Create(CultureInfo.InvariantCulture, $"{what}: p{percent} ms")] = At(percent);
        return string.Create(CultureInfo.InvariantCulture, $"{what}: p50 {At(50):0.0} ms, p90 {At(90):0.0} ms, p99 {At(99):0.0} ms, of {milliseconds.Count:N0}");
    }

    /// <summary>Adds a row, bars and results.</summary>
    public static void Add(BenchReport report, string what, IReadOnlyList<double> milliseconds)
    {
        double At(double percent) => Statistics.Percentile(milliseconds, percent);
        report.Rows.Add([what, milliseconds.Count.ToString("N0", CultureInfo.InvariantCulture), .. ((double[])[50, 90, 99, 100]).Select(p => At(p).ToString("0.0", CultureInfo.InvariantCulture))]);
        foreach (var percent in (double[])[50, 90, 99])
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"p{percent}");
            report.Bars.Add(new Bar($"{what}: {name}", At(percent), At(percent), At(percent)));
            report.Results[$"{what}: {name} ms"] = At(percent);
        }
        report.Results[$"{what}: max ms"] = At(100);
    }
}
