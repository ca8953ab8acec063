using System.CommandLine;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary><c>locks</c>: what it costs to take and release a lock that nobody else wants, in each place where locks are kept, beside the packages DistributedLock.Redis and DistributedLock.Postgres, which give no fencing token.</summary>
internal static class LockBench
{
    private sealed record Settings(int Workers, int Seconds, Rounds Rounds, string? Redis, string? Etcd);

    public static Command Create()
    {
        var workers = BenchOptions.Number("--workers", "Locks that are taken and released at once, each by one worker.", 1);
        var seconds = BenchOptions.Number("--seconds", "Length of each run.", 1);
        // Short runs in turn: what else a machine does comes and goes within seconds, and both of a pair should meet it.
        var rounds = new Rounds.Options(pairs: 15);
        var redis = new Option<string?>("--redis") { Description = "Redis. Default: BROKER_TEST_REDIS, or in the repository the one of docker/servers.sh.", HelpName = "host:port" };
        var etcd = new Option<string?>("--etcd") { Description = "Nodes of etcd. Default: BROKER_TEST_ETCD, or in the repository those of docker/servers.sh.", HelpName = "uri,…" };
        return BenchVerb.Create("locks", "Locks that are taken and released a second, and how long that takes, in the database, Redis and etcd, beside the DistributedLock packages.", [workers, seconds, .. rounds.All, redis, etcd], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(workers), parsed.GetValue(seconds), rounds.Of(parsed), parsed.GetValue(redis), parsed.GetValue(etcd)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        using var servers = BenchServers.Find(("redis", settings.Redis), ("etcd", settings.Etcd));
        var things = Things(session.Dialect);
        session.Plan(things.Count * settings.Rounds.All);
        var database = await session.CreateDatabaseAsync();
        var task = new ChildTask
        {
            Kind = ChildKind.Locks,
            // Keys of its own: they end with their leases.
            Exchange = database.Name.Replace('_', '-'),
            Engine = session.Dialect.Name,
            ConnectionStrings = [database.ConnectionString],
            Redis = servers["redis"],
            Etcd = servers["etcd"],
            Concurrency = settings.Workers,
            Seconds = settings.Seconds,
        };
        var samples = new List<BenchSample>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            // Nobody always comes first.
            foreach (var (kind, what) in pair % 2 == 0 ? things : Enumerable.Reverse(things))
            {
                session.Begin(settings.Rounds.NameOf(pair, what));
                await using var child = await ChildProcess.StartAsync(task with { Lock = kind }, session.CancellationToken);
                samples.Add(await session.MeasureAsync(what, pair, () => child.RunAsync(session.CancellationToken)));
                session.End();
            }
        }
        return Report(settings, session, things, samples);
    }

    private static List<(LockKind Kind, string What)> Things(SqlDialect dialect)
    {
        List<(LockKind, string)> things = [(LockKind.Database, dialect.Name)];
        if (dialect == SqlDialect.PostgreSql)
            things.Add((LockKind.OtherPostgreSql, "DistributedLock.Postgres"));
        return [.. things, (LockKind.Redis, "Redis"), (LockKind.OtherRedis, "DistributedLock.Redis"), (LockKind.Etcd, "etcd")];
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<(LockKind Kind, string What)> things, List<BenchSample> samples)
    {
        var report = new BenchReport
        {
            Name = "locks",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}; {settings.Workers} workers for {settings.Seconds} s, each taking and releasing a lock of its own; medians of {settings.Rounds.Count} (lowest–highest), times of all of them. Ours come with a fencing token."),
            Columns = ["", "locks/s", "÷ DistributedLock", "p50 ms", "p99 ms", "CPU", "allocated B"],
            Unit = "locks a second",
        };
        foreach (var sample in samples)
            report.Samples.Add(sample with { Result = sample.Result with { Milliseconds = [] } });
        foreach (var (kind, what) in things)
        {
            var own = RateTable.Counted(samples, what).ToList();
            var rate = Range.Of(own.Select(s => s.Result.Rate))!;
            var other = kind switch { LockKind.Database when things.Any(t => t.Kind == LockKind.OtherPostgreSql) => "DistributedLock.Postgres", LockKind.Redis => "DistributedLock.Redis", _ => null };
            var ratio = other is null ? null : RateTable.Over(samples, what, other, r => r.Rate);
            List<double> milliseconds = [.. own.SelectMany(s => s.Result.Milliseconds)];
            var (middle, slow) = (Statistics.Percentile(milliseconds, 50), Statistics.Percentile(milliseconds, 99));
            report.Rows.Add(
            [
                what, rate.ToString("N0"), ratio?.ToString("0.00") ?? "", middle.ToString("0.00", CultureInfo.InvariantCulture), slow.ToString("0.00", CultureInfo.InvariantCulture),
                Statistics.Median(own.Select(s => s.Result.CpuSecondsPer10000)).ToString("0.000", CultureInfo.InvariantCulture), Statistics.Median(own.Select(s => s.Result.AllocatedBytesEach)).ToString("N0", CultureInfo.InvariantCulture),
            ]);
            report.Bars.Add(Bar.Of(what, rate));
            report.Results[$"{what}: locks a second"] = rate.Median;
            report.Results[$"{what}: p50 ms"] = middle;
            report.Results[$"{what}: p99 ms"] = slow;
            if (ratio is not null)
            {
                report.Results[$"{what} / {other}"] = ratio.Median;
                report.Findings.Add($"{what} ÷ {other} = {ratio.ToString("0.00")}");
            }
        }
        return report;
    }
}
