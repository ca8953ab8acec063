using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary><c>saga</c>: what a change in two services costs by a saga, beside the same change in one transaction of one database.</summary>
internal static class SagaBench
{
    private const string Local = "local transaction";
    private const string Saga = "saga of two steps";

    private sealed record Settings(int Concurrency, int Seconds, Rounds Rounds);

    public static Command Create()
    {
        var concurrency = BenchOptions.Number("--concurrency", "Changes at once, each begun when the one before it is complete.", 16);
        var seconds = BenchOptions.Number("--seconds", "Length of each run.", 10);
        var rounds = new Rounds.Options(pairs: 3);
        return BenchVerb.Create("saga", "Rate and latency of sagas over three databases with their relays, beside one transaction of one database.", [concurrency, seconds, .. rounds.All], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(concurrency), parsed.GetValue(seconds), rounds.Of(parsed)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        session.Plan(2 * settings.Rounds.All);
        var queue = await session.CreateQueueAsync();
        await queue.OnlyItsExchangeAsync(SagaChild.QueuesOf(queue.Name), session.CancellationToken);
        var databases = new List<BenchDatabase>();
        for (var i = 0; i < 3; i++)
        {
            databases.Add(await session.CreateDatabaseAsync());
            await databases[i].CreateBusinessTablesAsync(session.CancellationToken);
        }
        var samples = new List<BenchSample>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            foreach (var (thing, kind) in new[] { (Local, ChildKind.LocalTransactions), (Saga, ChildKind.Sagas) })
            {
                session.Begin(settings.Rounds.NameOf(pair, thing));
                await using var child = await ChildProcess.StartAsync(new ChildTask
                {
                    Kind = kind,
                    RabbitMq = session.RabbitMq,
                    Exchange = queue.Name,
                    Engine = session.Dialect.Name,
                    ConnectionStrings = [.. databases.Select(d => d.ConnectionString)],
                    Concurrency = settings.Concurrency,
                    Seconds = settings.Seconds,
                }, session.CancellationToken);
                samples.Add(await session.MeasureAsync(thing, pair, () => child.RunAsync(session.CancellationToken)));
                session.End();
            }
        }
        return Report(settings, session, samples);
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<BenchSample> samples)
    {
        var report = new BenchReport
        {
            Name = "saga",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}, {settings.Concurrency} at once for {settings.Seconds} s; medians of {settings.Rounds.Count} (lowest–highest). Latency: from the begin to the commit that completes it. CPU: seconds for 10,000, of the process with the services and relays, and of the database server."),
            Columns = ["", "a second", "÷ local", "p50 ms", "p99 ms", "CPU", "database's CPU"],
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        foreach (var thing in (string[])[Local, Saga])
        {
            var own = RateTable.Counted(samples, thing).ToList();
            var rate = Range.Of(own.Select(s => s.Result.Rate))!;
            var ratio = thing == Local ? null : RateTable.Over(samples, thing, Local, r => r.Rate);
            var latencies = ((double[])[50, 99]).Select(p => Range.Of(own.Select(s => Statistics.Percentile(s.Result.Milliseconds, p)))!).ToList();
            report.Rows.Add(
            [
                thing, rate.ToString("N0"), ratio?.ToString("0.000") ?? "", latencies[0].ToString("0.0"), latencies[1].ToString("0.0"),
                Range.Of(own.Select(s => s.Result.CpuSecondsPer10000))!.Median.ToString("0.0", CultureInfo.InvariantCulture),
                Range.Of(own.Select(s => s.DatabaseCpuSeconds * 10_000 / s.Result.Count).OfType<double>())?.Median.ToString("0.0", CultureInfo.InvariantCulture) ?? "",
            ]);
            report.Bars.Add(Bar.Of(thing, rate));
            report.Results[$"{thing}: a second"] = rate.Median;
            report.Results[$"{thing}: p50 ms"] = latencies[0].Median;
            report.Results[$"{thing}: p99 ms"] = latencies[1].Median;
            if (ratio is not null)
                report.Results[$"{thing} / {Local}"] = ratio.Median;
        }
        return report;
    }
}
