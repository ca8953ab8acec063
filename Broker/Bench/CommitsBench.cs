using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary>
/// <c>commits</c>: whether a relay that drains slows the writers down more than any load of its size would. The same writers run beside the relay, and beside a process that publishes as many
/// messages by itself and burns the rest of the CPU that the relay and its database sessions used. What is left as a difference is what the relay does to the database: locks, disk, vacuum.
/// </summary>
internal static class CommitsBench
{
    private const string Alone = "writers alone";
    private const string Relay = "writers + relay";
    private const string SameLoad = "writers + same load";
    private const int WarmUp = 5_000;

    private sealed record Settings(int Writers, int Seconds, int Bytes, Rounds Rounds);

    public static Command Create()
    {
        var writers = BenchOptions.Number("--writers", "Writers at once, each committing as fast as it can.", 8);
        var seconds = BenchOptions.Number("--seconds", "Length of each run.", 10);
        var bytes = BenchOptions.Number("--bytes", "Bytes of each body.", 1_024, 16);
        var rounds = new Rounds.Options();
        return BenchVerb.Create("commits", "Commit rate of writers beside a relay, over their rate beside a load of the same size that leaves the database alone.", [writers, seconds, bytes, .. rounds.All], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(writers), parsed.GetValue(seconds), parsed.GetValue(bytes), rounds.Of(parsed)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        session.Plan(3 * settings.Rounds.All);
        var queue = await session.CreateQueueAsync();
        var database = await session.CreateDatabaseAsync();
        await database.CreateBusinessTablesAsync(session.CancellationToken);
        var task = new ChildTask
        {
            Kind = ChildKind.Writers,
            RabbitMq = session.RabbitMq,
            Exchange = queue.Name,
            Engine = session.Dialect.Name,
            ConnectionStrings = [database.ConnectionString],
            Bytes = settings.Bytes,
            Concurrency = settings.Writers,
            Seconds = settings.Seconds,
        };
        var samples = new List<BenchSample>();
        var loads = new List<double>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            async Task<BenchSample> RunAsync(string what, ChildTask? beside)
            {
                session.Begin(settings.Rounds.NameOf(pair, what));
                var sample = await WriteAsync(what, pair, task, beside, session, queue, database);
                samples.Add(sample);
                session.End();
                return sample;
            }
            var alone = await RunAsync(Alone, null);
            var relayed = await RunAsync(Relay, task with { Kind = ChildKind.RelayNode, WarmUp = WarmUp });
            var cores = LoadOf(relayed, alone);
            if (pair >= 1)
                loads.Add(cores);
            await RunAsync(SameLoad, task with { Kind = ChildKind.SameLoad, Cores = cores, Rate = relayed.Result.Rate });
        }
        return Report(settings, session, samples, loads);
    }

    /// <summary>What the relay takes from the writers, in cores: its own CPU, and what the database used more for each commit than without it. RabbitMQ's comes by itself.</summary>
    private static double LoadOf(BenchSample relayed, BenchSample alone)
    {
        var database = (relayed.DatabaseCpuSeconds - (alone.DatabaseCpuSeconds / alone.Result.Count * relayed.Result.Count)) ?? 0;
        return (relayed.Beside!.CpuSeconds / relayed.Beside.Seconds) + (Math.Max(0, database) / relayed.Result.Seconds);
    }

    private static async Task<BenchSample> WriteAsync(string what, int pair, ChildTask task, ChildTask? beside, BenchSession session, BenchQueue queue, BenchDatabase database)
    {
        var cancellationToken = session.CancellationToken;
        await database.ForgetAsync(cancellationToken);
        if (beside?.WarmUp > 0)
            await database.FillAsync(beside.WarmUp, task.Bytes, cancellationToken: cancellationToken);
        await using var other = beside is null ? null : await ChildProcess.StartAsync(beside, cancellationToken);
        await using var writers = await ChildProcess.StartAsync(task, cancellationToken);
        if (other is not null)
            await other.GoAsync();
        var sample = await session.MeasureAsync(what, pair, () => writers.RunAsync(cancellationToken));
        if (other is not null)
        {
            await other.StopAsync();
            sample = sample with { Beside = await other.ResultAsync(cancellationToken) };
        }
        await queue.PurgeAsync(cancellationToken);
        return sample;
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<BenchSample> samples, List<double> loads)
    {
        var report = new BenchReport
        {
            Name = "commits",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}; {settings.Writers} writers for {settings.Seconds} s, each commit one update and one event of {settings.Bytes:N0} bytes; medians of {settings.Rounds.Count} (lowest–highest). The same load: a bare publisher of as many messages that burns the rest of the CPU that the relay and its part of the database used in the run before. Load beside: CPU of the relay and its part of the database, or of that publisher."),
            Columns = ["", "commits/s", "÷ same load", "load beside, cores", "RabbitMQ's CPU, cores"],
            Unit = "commits a second",
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        foreach (var what in (string[])[Alone, Relay, SameLoad])
        {
            var own = samples.Where(s => s.What == what && s.Pair > 0).ToList();
            var rate = Range.Of(own.Select(s => s.Result.Rate))!;
            var ratio = Range.Of(own.Join(samples.Where(s => s.What == SameLoad), s => s.Pair, s => s.Pair, (s, o) => s.Result.Rate / o.Result.Rate))!;
            var load = what == Alone ? "" : what == Relay ? Range.Of(loads)!.ToString("0.00") : Range.Of(own.Select(s => s.Beside!.CpuSeconds / s.Beside.Seconds))!.ToString("0.00");
            report.Rows.Add([what, rate.ToString("N0"), what == SameLoad ? "" : ratio.ToString("0.00"), load, Range.Of(own.Select(s => s.RabbitMqCpuSeconds / s.Result.Seconds).OfType<double>())?.ToString("0.00") ?? ""]);
            report.Bars.Add(Bar.Of(what, rate));
            report.Results[$"{what}: commits a second"] = rate.Median;
            if (what == Relay)
            {
                report.Results["commits beside the relay / commits beside the same load"] = ratio.Median;
                report.Findings.Add($"commits beside the relay ÷ beside the same load = {ratio.ToString("0.00")}");
            }
        }
        return report;
    }
}
