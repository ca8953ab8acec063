using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>A relay and a quorum queue on three RabbitMQ nodes, of which one is killed, frozen, cut off, full or restarted. Nothing is lost or out of order, and the relay resumes by itself (G2, G3, G8).</summary>
internal sealed class ClusterCampaign(ClusterCampaign.Plan plan, Action<string> say)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan AfterKill = TimeSpan.FromSeconds(5);

    private readonly Verdict _verdict = Verdict.None;
    private readonly List<Verdict.Window> _windows = [];
    private readonly Dictionary<Happening, Distribution> _confirms = Enum.GetValues<Happening>().ToDictionary(h => h, _ => new Distribution());
    private readonly Random _random = new(plan.Seed);
    private Queue<Happening> _next = [];

    /// <summary>What can happen to a cluster.</summary>
    internal enum Happening
    {
        /// <summary>The node that leads the queue gets SIGKILL and starts again.</summary>
        LeaderKilled,

        /// <summary>The node that leads the queue gets SIGSTOP, and SIGCONT 20 seconds later.</summary>
        LeaderFrozen,

        /// <summary>The node that leads the queue cannot reach the others for 15 seconds.</summary>
        LeaderCutOff,

        /// <summary>A node's disk counts as full for five seconds, which stops all publishers.</summary>
        DiskFull,

        /// <summary>Each node is stopped in order and started again, one after the other.</summary>
        RollingRestart,
    }

    internal sealed record Plan
    {
        public SqlDialect Dialect { get; init; } = SqlDialect.PostgreSql;

        public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(120);

        public double Rate { get; init; } = 150;

        public int Seed { get; init; } = 1;

        /// <summary>What happens, in turns by chance.</summary>
        public IReadOnlyList<Happening> Happenings { get; init; } = Enum.GetValues<Happening>();

        /// <summary>Whether a relay that resumes too late after a leader's death is a fault. Not on a machine that may be busy with other things.</summary>
        public bool JudgesTimes { get; init; } = true;
    }

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        using var servers = Servers.Find(Database.ServerOf(plan.Dialect) is { } server ? ["cluster", server] : ["cluster"]);
        await using var database = await Database.CreateAsync(plan.Dialect, servers, partitions: 1);
        var (uri, hosts) = (new Uri(servers["BROKER_TEST_CLUSTER"]), servers["BROKER_TEST_CLUSTER_HOSTS"]);
        await using var log = await DeliveryLog.StartAsync(uri, hosts);
        var writers = new Writers(database, new Writers.Plan { Rate = plan.Rate, Seed = plan.Seed });
        await writers.CreateTablesAsync();
        await using var worker = Worker.Start("worker", new
        {
            RabbitMq = new { Uri = uri.ToString(), Hosts = hosts },
            Exchange = log.Name,
            Sources = new { campaign = new { Database = plan.Dialect.Name, database.ConnectionString } },
        });
        await worker.Started;
        using var end = new CancellationTokenSource();
        var writing = writers.RunAsync(end.Token);
        try
        {
            await NextConfirmAsync(null, database, writers);
            var began = TimeProvider.System.GetTimestamp();
            while (TimeProvider.System.GetElapsedTime(began) < plan.Duration && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(TimeSpan.FromSeconds(1 + (2 * _random.NextDouble())), cancellationToken);
                await HappenAsync(database, writers, log.Name);
            }
        }
        finally
        {
            await end.CancelAsync();
            await writing;
        }
        if (!await log.ReachAsync(writers.Commits.Count, Patience))
            say($"{writers.Commits.Count - log.Distinct} events had not arrived {Patience.TotalSeconds:0} s after the last commit");
        await Task.Delay(1_000, CancellationToken.None);
        await _verdict.CheckAsync(database, writers, log.Arrivals, _windows);
        if (await worker.TerminateAsync() is not 0 and var code)
            _verdict.Add($"the worker ended with exit code {code?.ToString(CultureInfo.InvariantCulture) ?? "none: it had to be killed"}");
        Report(writers, log, worker);
        return _verdict;
    }

    private async Task HappenAsync(Database database, Writers writers, string queue)
    {
        if (_next.Count == 0)
            _next = new Queue<Happening>(plan.Happenings.OrderBy(_ => _random.Next()));
        var what = _next.Dequeue();
        var leader = Servers.Script("cluster", "leader", queue);
        say($"{what}: {leader} leads the queue");
        var began = TimeProvider.System.GetTimestamp();
        switch (what)
        {
            case Happening.LeaderKilled:
                Servers.Script("cluster", "kill", leader);
                await NextConfirmAsync(what, database, writers);
                await Task.Delay(2_000);
                Servers.Script("cluster", "start-node", leader);
                break;
            case Happening.LeaderFrozen:
                Servers.Script("cluster", "freeze", leader);
                var thaw = Task.Delay(TimeSpan.FromSeconds(20));
                var resumed = NextConfirmAsync(what, database, writers);
                await thaw;
                Servers.Script("cluster", "thaw", leader);
                await resumed;
                break;
            case Happening.LeaderCutOff:
                Servers.Script("cluster", "isolate", leader);
                var heal = Task.Delay(TimeSpan.FromSeconds(15));
                resumed = NextConfirmAsync(what, database, writers);
                await heal;
                Servers.Script("cluster", "heal");
                await resumed;
                break;
            case Happening.DiskFull:
                Servers.Script("cluster", "alarm", leader);
                await Task.Delay(5_000);
                Servers.Script("cluster", "clear-alarm", leader);
                await NextConfirmAsync(what, database, writers);
                break;
            default:
                foreach (var node in (string[])["n1", "n2", "n3"])
                {
                    Servers.Script("cluster", "stop-node", node);
                    await NextConfirmAsync(what, database, writers);
                    Servers.Script("cluster", "start-node", node);
                    await HealthyAsync();
                }
                break;
        }
        await HealthyAsync();
        // It has to flow again without help, and what is still unanswered is sent again once the last channel is given up.
        await NextConfirmAsync(null, database, writers);
        _windows.Add(new Verdict.Window(began, Verdict.Window.After(TimeProvider.System.GetTimestamp(), TimeSpan.FromSeconds(30)).To));
    }

    /// <summary>Measures from now; what came in time goes into the report under what happened.</summary>
    private async Task NextConfirmAsync(Happening? what, Database database, Writers writers)
    {
        var since = TimeProvider.System.GetTimestamp();
        if (await ConfirmWatch.NextAsync(database, writers, since, Patience) is not { } time)
        {
            _verdict.Add($"no confirm within {Patience.TotalSeconds:0} s after {what?.ToString() ?? "everything was well again"}");
            return;
        }
        if (what is not { } happening)
            return;
        _confirms[happening].Add(time);
        say(string.Create(CultureInfo.InvariantCulture, $"  the next confirm came {time.TotalSeconds:0.00} s later"));
        if (plan.JudgesTimes && happening == Happening.LeaderKilled && time > AfterKill)
            _verdict.Add(string.Create(CultureInfo.InvariantCulture, $"the next confirm came {time.TotalSeconds:0.00} s after the leader's death; allowed are {AfterKill.TotalSeconds:0} s"));
    }

    private static async Task HealthyAsync()
    {
        var began = TimeProvider.System.GetTimestamp();
        while (Servers.TryScript("cluster", "status").Code != 0)
        {
            if (TimeProvider.System.GetElapsedTime(began) > Patience)
                throw new InvalidOperationException($"the cluster did not come back:\n{Servers.TryScript("cluster", "status").Output}");
            await Task.Delay(200);
        }
    }

    private void Report(Writers writers, DeliveryLog log, Worker worker)
    {
        say($"{writers.Commits.Count:N0} events committed, {writers.RolledBack:N0} transactions rolled back; {_verdict.Arrived:N0} events arrived, {_verdict.Copies:N0} came again after something had happened; the queue gave {log.Arrivals.Count(a => a.IsRedelivered):N0} out again");
        foreach (var what in plan.Happenings)
            say($"{what,-14} next confirm after: {_confirms[what]} (looked at every {ConfirmWatch.Interval.TotalMilliseconds:0} ms)");
        foreach (var line in worker.Warnings.Take(30).Concat(worker.Errors.Take(10)).Order(StringComparer.Ordinal))
            say(line);
    }
}
