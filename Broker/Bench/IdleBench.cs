using System.CommandLine;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary><c>idle</c>: what relays cost that have nothing to do: queries a second for each database, and CPU.</summary>
internal static class IdleBench
{
    /// <summary>Relays are attentive for some seconds after they took a lease, and PostgreSQL counts a transaction up to ten seconds after its end.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(20);

    private sealed record Settings(int[] Nodes, int Sources, int Seconds);

    public static Command Create()
    {
        var nodes = new Option<int[]>("--nodes") { Description = "Relay processes, each with all sources; several numbers are measured one after another.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 5], HelpName = "number" };
        BenchOptions.AtLeast(nodes, 1);
        var sources = BenchOptions.Number("--sources", "Sources, each with a database of its own.", 10);
        var seconds = BenchOptions.Number("--seconds", "How long.", 30);
        return BenchVerb.Create("idle", "Queries a second for each database, and CPU, of relays that have nothing to do.", [nodes, sources, seconds], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(nodes)!, parsed.GetValue(sources), parsed.GetValue(seconds)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        session.Plan(1 + settings.Nodes.Length);
        var queue = await session.CreateQueueAsync();
        session.Begin(string.Create(CultureInfo.InvariantCulture, $"creating {settings.Sources} databases"));
        var prefix = $"bench_{Guid.CreateVersion7():N}";
        var databases = new List<BenchDatabase>();
        for (var i = 0; i < settings.Sources; i++)
            databases.Add(await session.CreateDatabaseAsync(string.Create(CultureInfo.InvariantCulture, $"{prefix}_{i}")));
        session.End();

        var report = new BenchReport
        {
            Name = "idle",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}; {settings.Sources} sources without a message for {settings.Seconds} s. {Counted(session.Dialect)} CPU: share of one core, of all relay processes together."),
            Columns = ["", "queries/s for each database", "CPU of a core", "CPU of a core, each node", "peak RSS MiB, each node"],
            Unit = "queries a second for each database",
        };
        foreach (var nodes in settings.Nodes)
        {
            var what = nodes == 1 ? "1 node" : string.Create(CultureInfo.InvariantCulture, $"{nodes} nodes");
            session.Begin(what);
            var (queries, results) = await WatchAsync(nodes, settings, session, queue, [.. databases.Select(d => d.ConnectionString)], prefix);
            session.End();
            var perDatabase = queries / settings.Sources;
            var cpu = results.Sum(r => r.CpuSeconds / r.Seconds);
            string Percent(double share) => share.ToString("0.0 %", CultureInfo.InvariantCulture);
            report.Rows.Add([what, perDatabase?.ToString("0.00", CultureInfo.InvariantCulture) ?? "not told", Percent(cpu), Percent(cpu / nodes), (results.Max(r => r.PeakBytes) / 1_048_576.0).ToString("0", CultureInfo.InvariantCulture)]);
            report.Results[$"{what}: CPU of a core"] = cpu;
            if (perDatabase is { } value)
            {
                report.Results[$"{what}: queries a second for each database"] = value;
                report.Bars.Add(new Bar(what, value, value, value));
            }
            foreach (var result in results)
                report.Samples.Add(new BenchSample(what, 1, result));
        }
        return report;
    }

    /// <summary>Queries a second of all databases together, and what each node says of itself.</summary>
    private static async Task<(double? Queries, IReadOnlyList<ChildResult> Results)> WatchAsync(int count, Settings settings, BenchSession session, BenchQueue queue, IReadOnlyList<string> connectionStrings, string prefix)
    {
        var nodes = new List<ChildProcess>();
        try
        {
            for (var i = 0; i < count; i++)
                nodes.Add(await ChildProcess.StartAsync(new ChildTask { Kind = ChildKind.RelayNode, RabbitMq = session.RabbitMq, Exchange = queue.Name, Engine = session.Dialect.Name, ConnectionStrings = connectionStrings }, session.CancellationToken));
            await Task.Delay(Settling, session.CancellationToken);
            var start = TimeProvider.System.GetTimestamp();
            var before = await session.StatementsAsync(prefix);
            foreach (var node in nodes)
                await node.GoAsync();
            await Task.Delay(TimeSpan.FromSeconds(settings.Seconds), session.CancellationToken);
            var after = await session.StatementsAsync(prefix);
            var elapsed = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
            foreach (var node in nodes)
                await node.StopAsync();
            var results = new List<ChildResult>();
            foreach (var node in nodes)
                results.Add(await node.ResultAsync(session.CancellationToken));
            return (session.Dialect == SqlDialect.Sqlite ? results.Sum(r => r.Rate) : (after - before) / elapsed, results);
        }
        finally
        {
            foreach (var node in nodes)
                await node.DisposeAsync();
        }
    }

    private static string Counted(SqlDialect dialect) => dialect.Name switch
    {
        "PostgreSql" => "Queries: transactions of these databases (pg_stat_database), the server's own now and then included.",
        "MySql" => "Queries: those of the whole server (Questions).",
        "SqlServer" => "Queries: batches of the whole server (Batch Requests).",
        _ => "Queries: transactions, counted by the nodes.",
    };
}
