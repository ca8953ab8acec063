using System.Globalization;

namespace Broker.Bench;

/// <summary>Rates, ratios, CPU and memory of things that ran in turn, the same by every verb.</summary>
internal static class RateTable
{
    public static IReadOnlyList<string> Columns { get; } = ["", "messages/s", "÷ raw", "CPU", "RabbitMQ's CPU", "database's CPU", "allocated B", "peak RSS MiB"];

    public const string Legend = "CPU: seconds for 10,000 messages, of each process alone. Allocated: by the .NET process, for each message.";

    /// <summary>One thing over another, round by round.</summary>
    public static Range? Over(IReadOnlyList<BenchSample> samples, string thing, string other, Func<ChildResult, double> of) =>
        Range.Of(Counted(samples, thing).Join(Counted(samples, other), s => s.Pair, s => s.Pair, (s, o) => of(s.Result) / of(o.Result)));

    /// <summary>The runs that count: the first round only warms the servers.</summary>
    public static IEnumerable<BenchSample> Counted(IEnumerable<BenchSample> samples, string thing) => samples.Where(s => s.What == thing && s.Pair > 0);

    /// <summary>Adds a row, a bar and a result for each thing.</summary>
    public static void Add(BenchReport report, IReadOnlyList<BenchSample> samples, IEnumerable<string> things, string? raw)
    {
        foreach (var thing in things)
        {
            var own = Counted(samples, thing).ToList();
            var rate = Range.Of(own.Select(s => s.Result.Rate))!;
            var ratio = raw is null || thing == raw ? null : Over(samples, thing, raw, r => r.Rate);
            report.Rows.Add(
            [
                thing, rate.ToString("N0"), ratio?.ToString(ratio.Median < 0.1 ? "0.000" : "0.00") ?? "",
                Median(own.Select(s => (double?)s.Result.CpuSecondsPer10000), "0.000"),
                Median(own.Select(s => s.RabbitMqCpuSeconds * 10_000 / s.Result.Count), "0.000"),
                thing == raw ? "" : Median(own.Select(s => s.DatabaseCpuSeconds * 10_000 / s.Result.Count), "0.000"),
                Median(own.Select(s => (double?)s.Result.AllocatedBytesEach), "N0"),
                Median(own.Select(s => (double?)(s.Result.PeakBytes / 1_048_576.0)), "0"),
            ]);
            report.Bars.Add(Bar.Of(thing, rate));
            report.Results[$"{thing}: messages a second"] = rate.Median;
            report.Results[$"{thing}: peak RSS MiB"] = own.Max(s => s.Result.PeakBytes) / 1_048_576.0;
            if (ratio is not null)
                report.Results[$"{thing} / {raw}"] = ratio.Median;
        }
    }

    private static string Median(IEnumerable<double?> values, string format) => Range.Of(values.OfType<double>())?.Median.ToString(format, CultureInfo.InvariantCulture) ?? "";
}
