using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>Several workers over one database, killed, frozen, stopped and started again while writers write. Nothing is lost or out of order, and a partition never stays without a relay for long (G2, G3, G5).</summary>
internal sealed class NodesCampaign(NodesCampaign.Plan plan, Action<string> say)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>After a takeover or a thaw, what was on its way comes again within this time.</summary>
    private static readonly TimeSpan CopiesWithin = TimeSpan.FromSeconds(10);

    private readonly Verdict _verdict = Verdict.None;
    private readonly List<Verdict.Window> _windows = [];
    private readonly Dictionary<Happening, Distribution> _takeovers = Enum.GetValues<Happening>().ToDictionary(h => h, _ => new Distribution());
    private readonly Dictionary<Happening, Distribution> _gaps = Enum.GetValues<Happening>().ToDictionary(h => h, _ => new Distribution());
    private readonly List<(Happening What, int Partition, long At)> _losses = [];
    private readonly Dictionary<string, int> _processes = [];
    private readonly List<Worker> _all = [];
    private readonly Worker?[] _nodes = new Worker?[plan.Nodes];
    private readonly Random _random = new(plan.Seed);
    private Queue<Happening> _next = [];

    /// <summary>What can happen to a node.</summary>
    internal enum Happening
    {
        /// <summary>SIGKILL.</summary>
        Killed,

        /// <summary>SIGSTOP for twice the lease, then SIGCONT.</summary>
        Frozen,

        /// <summary>SIGTERM.</summary>
        Stopped,
    }

    internal sealed record Plan
    {
        public SqlDialect Dialect { get; init; } = SqlDialect.PostgreSql;

        public int Nodes { get; init; } = 3;

        public int Partitions { get; init; } = 6;

        public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(60);

        public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(5);

        public double Rate { get; init; } = 150;

        public int Seed { get; init; } = 1;

        /// <summary>Whether the clock of the second node's host is five minutes fast and that of the third one five minutes slow.</summary>
        public bool MovesClocks { get; init; }

        /// <summary>Whether a takeover that takes too long is a fault. Not on a machine that may be busy with other things.</summary>
        public bool JudgesTimes { get; init; } = true;
    }

    private TimeSpan Allowed(Happening what) => what == Happening.Stopped ? TimeSpan.FromSeconds(1) : plan.Lease + TimeSpan.FromSeconds(1);

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        if (plan.MovesClocks && !Worker.CanMoveClocks)
            throw new InvalidOperationException("--clocks needs libfaketime: docker/servers.sh install faketime");
        using var servers = Servers.Find(Database.ServerOf(plan.Dialect) is { } server ? ["rabbitmq", server] : ["rabbitmq"]);
        await using var database = await Database.CreateAsync(plan.Dialect, servers, plan.Partitions);
        await using var log = await DeliveryLog.StartAsync(servers.RabbitMq);
        var deletions = await DeletionWatch.InstallAsync(database);
        var writers = new Writers(database, new Writers.Plan { Partitions = plan.Partitions, Rate = plan.Rate, Seed = plan.Seed });
        await writers.CreateTablesAsync();
        try
        {
            for (var node = 0; node < plan.Nodes; node++)
                Start(node, database, log.Name, servers.RabbitMq);
            await Task.WhenAll(_nodes.Select(n => n!.Started));
            await using var leases = new LeaseWatch(database);
            await AllAsync(leases, cancellationToken);

            using var end = new CancellationTokenSource();
            var writing = writers.RunAsync(end.Token);
            var began = TimeProvider.System.GetTimestamp();
            while (TimeProvider.System.GetElapsedTime(began) < plan.Duration && !cancellationToken.IsCancellationRequested)
                await HappenAsync(leases, database, log.Name, servers.RabbitMq, cancellationToken);
            await end.CancelAsync();
            await writing;

            if (!await log.ReachAsync(writers.Commits.Count, Patience))
                say($"{writers.Commits.Count - log.Distinct} events had not arrived {Patience.TotalSeconds:0} s after the last commit");
            await Task.Delay(500, CancellationToken.None);
            ForgiveLateRenewals(leases);
            await _verdict.CheckAsync(database, writers, log.Arrivals, _windows);
            await ReportAsync(writers, log.Arrivals, leases.Holdings.Count, deletions);
            return _verdict;
        }
        finally
        {
            foreach (var worker in _all)
                await worker.DisposeAsync();
        }
    }

    private void Start(int node, Database database, string exchange, Uri rabbitMq)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"node-{node + 1}.{_all.Count + 1}");
        var clock = !plan.MovesClocks ? default : TimeSpan.FromMinutes(node % 3 == 1 ? 5 : node % 3 == 2 ? -5 : 0);
        var worker = Worker.Start(name, new
        {
            RabbitMq = new { Uri = rabbitMq.ToString() },
            Exchange = exchange,
            Relay = new { LeaseDuration = plan.Lease.ToString("c", CultureInfo.InvariantCulture) },
            Sources = new { campaign = new { Database = plan.Dialect.Name, ConnectionString = database.ConnectionStringOf(name) } },
        }, clock);
        _nodes[node] = worker;
        _all.Add(worker);
        _processes.Add(name, worker.Id);
    }

    /// <summary>Waits until each partition is somebody's.</summary>
    private async Task AllAsync(LeaseWatch leases, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (leases.Current.Count < plan.Partitions && TimeProvider.System.GetElapsedTime(began) < Patience)
            await Task.Delay(50, cancellationToken);
    }

    private async Task HappenAsync(LeaseWatch leases, Database database, string exchange, Uri rabbitMq, CancellationToken cancellationToken)
    {
        await PauseAsync(0.5, 2.5, cancellationToken);
        if (_next.Count == 0)
            _next = new Queue<Happening>(Enum.GetValues<Happening>().OrderBy(_ => _random.Next()));
        var what = _next.Dequeue();
        // Now and then two at once: the last one has to take everything.
        var count = _random.Next(4) == 0 ? Math.Min(2, plan.Nodes - 1) : 1;
        var chosen = Enumerable.Range(0, plan.Nodes).OrderBy(_ => _random.Next()).ToList();
        // Those who hold something come first, or nothing would happen.
        var victims = chosen.OrderByDescending(n => leases.Current.Any(h => h.IsOf(_nodes[n]!))).Take(count).ToList();
        var held = leases.Current.Where(h => victims.Any(v => h.IsOf(_nodes[v]!))).ToList();
        say($"{string.Join(" and ", victims.Select(v => _nodes[v]!.Name))} {what.ToString().ToLowerInvariant()}, holding {held.Count} partitions");

        var at = TimeProvider.System.GetTimestamp();
        var exits = new List<Task<int?>>();
        foreach (var victim in victims)
        {
            if (what == Happening.Killed)
                await _nodes[victim]!.KillAsync();
            else if (what == Happening.Frozen)
                _nodes[victim]!.Freeze();
            else
                exits.Add(_nodes[victim]!.TerminateAsync());
        }
        _losses.AddRange(held.Select(h => (what, h.Partition, at)));
        var times = await Task.WhenAll(held.Select(h => leases.TakeoverAsync(h, at, plan.Lease + Patience)));
        foreach (var (holding, time) in held.Zip(times))
            Judge(what, holding, time);

        if (what == Happening.Frozen)
        {
            var rest = (2 * plan.Lease) - TimeProvider.System.GetElapsedTime(at);
            if (rest > TimeSpan.Zero)
                await Task.Delay(rest, CancellationToken.None);
            foreach (var victim in victims)
                _nodes[victim]!.Thaw();
        }
        // An orderly stop leaves no copies.
        if (what != Happening.Stopped)
            _windows.Add(new Verdict.Window(at, Verdict.Window.After(TimeProvider.System.GetTimestamp(), CopiesWithin).To));
        foreach (var code in await Task.WhenAll(exits))
        {
            if (code != 0)
                _verdict.Add(code is null ? "a stopped worker had to be killed" : $"a stopped worker ended with exit code {code}");
        }
        await PauseAsync(0.2, 2, cancellationToken);
        if (what == Happening.Frozen)
            return;
        foreach (var victim in victims)
            Start(victim, database, exchange, rabbitMq);
        await Task.WhenAll(victims.Select(v => _nodes[v]!.Started));
    }

    private void Judge(Happening what, LeaseWatch.Holding holding, TimeSpan? time)
    {
        if (time is not { } taken)
        {
            _verdict.Add($"partition {holding.Partition} was not taken over after its relay was {what.ToString().ToLowerInvariant()}");
            return;
        }
        if (taken < TimeSpan.Zero)
            return;
        _takeovers[what].Add(taken);
        if (plan.JudgesTimes && taken > Allowed(what))
            _verdict.Add(string.Create(CultureInfo.InvariantCulture, $"partition {holding.Partition} was taken over {taken.TotalSeconds:0.00} s after its relay was {what.ToString().ToLowerInvariant()}; allowed are {Allowed(what).TotalSeconds:0} s"));
    }

    /// <summary>On a machine that is busy with other things a relay may renew its lease too late with nobody's doing. Its successor then sends again what was on its way, which G2 allows.</summary>
    private void ForgiveLateRenewals(LeaseWatch leases)
    {
        if (plan.JudgesTimes || !_all.Any(w => w.Lines.Any(l => l.Contains("lost the lease", StringComparison.Ordinal))))
            return;
        _windows.AddRange(leases.Holdings.Select(h => new Verdict.Window(h.At - Verdict.Window.After(0, plan.Lease).To, Verdict.Window.After(h.At, CopiesWithin).To)));
    }

    private Task PauseAsync(double least, double most, CancellationToken cancellationToken) => Task.Delay(TimeSpan.FromSeconds(least + ((most - least) * _random.NextDouble())), cancellationToken);

    private async Task ReportAsync(Writers writers, IReadOnlyList<Arrival> arrivals, int changes, DeletionWatch? deletions)
    {
        var arrivedAt = new Dictionary<Guid, long>();
        foreach (var arrival in arrivals)
            arrivedAt.TryAdd(arrival.Id, arrival.At);
        var commits = writers.Commits.Where(c => arrivedAt.ContainsKey(c.Key)).Select(c => (c.Value.Partition, c.Value.At, Arrived: arrivedAt[c.Key])).ToList();
        foreach (var (what, partition, at) in _losses)
        {
            // What was committed after the loss cannot have been on its way before.
            var later = commits.Where(c => c.Partition == partition && c.At > at).Select(c => c.Arrived).ToList();
            if (later.Count > 0)
                _gaps[what].Add(TimeProvider.System.GetElapsedTime(at, later.Min()));
        }
        say($"{writers.Commits.Count:N0} events committed, {writers.RolledBack:N0} transactions rolled back; {_verdict.Arrived:N0} events arrived, {_verdict.Copies:N0} of them came again after a kill or a freeze");
        foreach (var what in Enum.GetValues<Happening>())
            say($"{what.ToString().ToLowerInvariant(),-8} the lease was taken over after: {_takeovers[what]}; the next event arrived after: {_gaps[what]}");
        say($"leases changed hands {changes:N0} times; the leases were looked at every {LeaseWatch.Interval.TotalMilliseconds:0} ms");
        say($"{_all.Sum(w => w.Lines.Count(l => l.Contains("lost the lease", StringComparison.Ordinal))):N0} times a worker said that it had lost a lease");
        if (deletions is not null)
        {
            var (rows, faults) = await deletions.CheckAsync(_processes);
            say($"{rows:N0} rows deleted, {(faults.Count == 0 ? "all of them" : "not all")} by the holder of the lease");
            _verdict.AddRange(faults);
        }
        if (plan.MovesClocks)
        {
            say($"clocks of the workers: {string.Join(", ", _all.Select(w => string.Create(CultureInfo.InvariantCulture, $"{w.Name} {w.ClockError?.TotalMinutes:+0.0;-0.0;0.0} min")))}");
            if (!_all.Any(w => w.ClockError > TimeSpan.FromMinutes(4)) || !_all.Any(w => w.ClockError < TimeSpan.FromMinutes(-4)))
                _verdict.Add("the clocks were not moved: the campaign tells nothing about them");
        }
        // What the relay did not foresee is a fault of the relay's, even if it got over it.
        foreach (var worker in _all.Where(w => w.Errors.Any(e => e.Contains("unexpected error", StringComparison.Ordinal))))
            _verdict.Add($"{worker.Name} met an unexpected error");
        foreach (var error in _all.SelectMany(w => w.Errors.Select(e => $"{w.Name}: {e}")).Take(10))
            say(error);
    }
}
