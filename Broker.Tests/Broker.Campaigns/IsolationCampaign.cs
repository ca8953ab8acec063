using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>Many sources on three engines in one worker. One database is locked and one is unreachable, and the others must not notice (G7).</summary>
internal sealed class IsolationCampaign(IsolationCampaign.Plan plan, Action<string> say)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>What is committed just before or after a change of the state counts for neither.</summary>
    private static readonly TimeSpan Border = TimeSpan.FromSeconds(1);

    private const int Silent = 0;
    private const int Locked = 1;

    private readonly Verdict _verdict = Verdict.None;

    internal sealed record Plan
    {
        /// <summary>Of which two fifths are PostgreSQL databases, one fifth MariaDB databases, and the rest SQLite files.</summary>
        public int Sources { get; init; } = 20;

        public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(120);

        /// <summary>How often it changes between quiet and disturbed.</summary>
        public int Rounds { get; init; } = 3;

        /// <summary>Transactions a second, of all sources.</summary>
        public double Rate { get; init; } = 100;

        public int Seed { get; init; } = 1;

        /// <summary>The ratio of disturbed to quiet p99 that is a fault; null for none.</summary>
        public double? Most { get; init; } = 1.2;
    }

    private sealed class Source(Database database, DeliveryLog log, Writers writers)
    {
        public Database Database => database;

        public DeliveryLog Log => log;

        public Writers Writers => writers;

        public bool IsDisturbed { get; set; }

        public CancellationTokenSource End { get; } = new();

        public Task Writing { get; set; } = Task.CompletedTask;

        public void Write() => Writing = writers.RunAsync(End.Token);
    }

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        using var servers = Servers.Find("rabbitmq", "postgres", "mariadb");
        var sources = new List<Source>();
        TcpProxy? proxy = null;
        try
        {
            for (var i = 0; i < plan.Sources; i++)
            {
                var dialect = (i % 5) switch { 0 or 2 => SqlDialect.PostgreSql, 1 => SqlDialect.MySql, _ => SqlDialect.Sqlite };
                var database = await Database.CreateAsync(dialect, servers, partitions: 1);
                // A SQLite file has one writer at a time, who would wait for the other.
                var writers = new Writers(database, new Writers.Plan { Writers = 1, Keys = 10, Rate = plan.Rate / plan.Sources, Seed = plan.Seed + i, MayFail = i == Locked });
                await writers.CreateTablesAsync();
                sources.Add(new Source(database, await DeliveryLog.StartAsync(servers.RabbitMq), writers));
            }
            // One PostgreSQL database behind a network that goes silent, one MariaDB database with a lock on its table.
            var (silent, locked) = (sources[Silent], sources[Locked]);
            silent.IsDisturbed = locked.IsDisturbed = true;
            proxy = silent.Database.Proxy();
            await using var worker = Worker.Start("worker", new
            {
                RabbitMq = new { Uri = servers.RabbitMq.ToString() },
                Sources = sources.Select((s, i) => (Name: $"source-{i + 1}", Value: (object)new
                {
                    Database = s.Database.Dialect.Name,
                    ConnectionString = s == silent ? s.Database.ConnectionStringAt(proxy.Port) : s.Database.ConnectionString,
                    Exchange = s.Log.Name,
                })).ToDictionary(s => s.Name, s => s.Value),
            });
            await worker.Started;
            foreach (var source in sources)
                source.Write();
            foreach (var source in sources)
                await source.Log.ReachAsync(3, Patience);
            say($"{sources.Count} sources flow; source-1 will be unreachable, source-2 locked");

            var (quiet, disturbed) = await RoundsAsync(proxy, locked, cancellationToken);
            foreach (var source in sources)
                await source.End.CancelAsync();
            await Task.WhenAll(sources.Select(s => s.Writing));
            foreach (var source in sources)
            {
                await source.Log.ReachAsync(source.Writers.Commits.Count, Patience);
                await _verdict.CheckAsync(source.Database, source.Writers, source.Log.Arrivals, source.IsDisturbed ? [new Verdict.Window(0, long.MaxValue)] : []);
            }
            say($"{_verdict.Arrived:N0} events of {sources.Count} sources arrived");
            Judge(sources, quiet, disturbed);
            foreach (var error in worker.Errors.Take(10))
                say(error);
            return _verdict;
        }
        finally
        {
            foreach (var source in sources)
            {
                await source.End.CancelAsync();
                await source.Writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await source.Log.DisposeAsync();
                await source.Database.DisposeAsync();
                source.End.Dispose();
            }
            if (proxy is not null)
                await proxy.DisposeAsync();
        }
    }

    /// <summary>In turns, so that what else the machine does falls on both alike.</summary>
    private async Task<(List<Verdict.Window> Quiet, List<Verdict.Window> Disturbed)> RoundsAsync(TcpProxy proxy, Source locked, CancellationToken cancellationToken)
    {
        var (quiet, disturbed) = (new List<Verdict.Window>(), new List<Verdict.Window>());
        var half = plan.Duration / plan.Rounds / 2;
        for (var round = 0; round < plan.Rounds; round++)
        {
            quiet.Add(await RestAsync(half, cancellationToken));
            proxy.Stall();
            await using (await LockAsync(locked.Database))
                disturbed.Add(await RestAsync(half, cancellationToken));
            proxy.Cut();
            proxy.Resume();
        }
        return (quiet, disturbed);
    }

    private static async Task<Verdict.Window> RestAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        await Task.Delay(Border, cancellationToken);
        var from = TimeProvider.System.GetTimestamp();
        await Task.Delay(time, cancellationToken);
        var window = new Verdict.Window(from, TimeProvider.System.GetTimestamp());
        await Task.Delay(Border, cancellationToken);
        return window;
    }

    /// <summary>Locks the outbox against everybody else until disposed.</summary>
    private static async Task<DbConnection> LockAsync(Database database)
    {
        // Closing the session frees what it locked; a pooled one would only be put back.
        var connection = new MySqlConnector.MySqlConnection(new MySqlConnector.MySqlConnectionStringBuilder(database.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await connection.Command("LOCK TABLES outbox_messages WRITE").ExecuteAsync(CancellationToken.None);
        return connection;
    }

    private void Judge(List<Source> sources, List<Verdict.Window> quiet, List<Verdict.Window> disturbed)
    {
        var (before, during) = (new Distribution(), new Distribution());
        var ratios = new Distribution();
        foreach (var source in sources.Where(s => !s.IsDisturbed))
        {
            var (own, ownDuring) = (Latencies(source, quiet), Latencies(source, disturbed));
            if (own.Count == 0 || ownDuring.Count == 0)
            {
                _verdict.Add($"a healthy source on {source.Database.Dialect} delivered {own.Count} events while all was quiet and {ownDuring.Count} while two others were disturbed");
                continue;
            }
            ratios.Add(TimeSpan.FromSeconds(Share(ownDuring) / Share(own)));
            own.ForEach(before.Add);
            ownDuring.ForEach(during.Add);
        }
        var ratio = during.At(0.99) / before.At(0.99);
        say(string.Create(CultureInfo.InvariantCulture, $"commit to arrival of the {sources.Count - 2} healthy sources, p50 and p99: {before.At(0.5) * 1000:0} and {before.At(0.99) * 1000:0} ms before ({before.Count:N0} events), {during.At(0.5) * 1000:0} and {during.At(0.99) * 1000:0} ms during ({during.Count:N0} events): ratio of p99 {ratio:0.00}"));
        say(string.Create(CultureInfo.InvariantCulture, $"ratio of p99 of the single sources: median {ratios.At(0.5):0.00}, highest {ratios.At(1):0.00}"));
        if (plan.Most is { } most && ratio > most)
            _verdict.Add(string.Create(CultureInfo.InvariantCulture, $"p99 of the healthy sources rose to {ratio:0.00} of before; allowed is {most:0.00}"));
    }

    private static List<TimeSpan> Latencies(Source source, List<Verdict.Window> windows)
    {
        var arrivedAt = new Dictionary<Guid, long>();
        foreach (var arrival in source.Log.Arrivals)
            arrivedAt.TryAdd(arrival.Id, arrival.At);
        return [.. source.Writers.Commits.Where(c => windows.Any(w => c.Value.At >= w.From && c.Value.At <= w.To) && arrivedAt.ContainsKey(c.Key))
            .Select(c => TimeProvider.System.GetElapsedTime(c.Value.At, arrivedAt[c.Key]))];
    }

    private static double Share(List<TimeSpan> times)
    {
        var all = new Distribution();
        times.ForEach(all.Add);
        return all.At(0.99);
    }
}
