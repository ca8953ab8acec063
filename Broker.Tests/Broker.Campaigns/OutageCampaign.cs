using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>The broker is away for minutes while writers go on. No row becomes a dead letter, the worker's memory does not grow with the backlog, and afterwards it drains by itself at the rate of any backlog (G2, G3, G8).</summary>
internal sealed class OutageCampaign(OutageCampaign.Plan plan, Action<string> say)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Verdict _verdict = Verdict.None;

    internal sealed record Plan
    {
        public SqlDialect Dialect { get; init; } = SqlDialect.PostgreSql;

        public TimeSpan Duration { get; init; } = TimeSpan.FromMinutes(20);

        public double Rate { get; init; } = 300;

        public int Seed { get; init; } = 1;

        /// <summary>Whether a slow drain, or memory that grows, is a fault. Not on a machine that may be busy with other things.</summary>
        public bool Judges { get; init; } = true;
    }

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        using var servers = Servers.Find(Database.ServerOf(plan.Dialect) is { } server ? ["rabbitmq", server] : ["rabbitmq"]);
        await using var database = await Database.CreateAsync(plan.Dialect, servers, partitions: 1);
        await using var log = await DeliveryLog.StartAsync(servers.RabbitMq);
        // To the worker a port that refuses is a broker that is down. The consumer and other users of the server notice nothing.
        await using var proxy = TcpProxy.To(servers.RabbitMq.Host, servers.RabbitMq.Port > 0 ? servers.RabbitMq.Port : 5672);
        var uri = new UriBuilder(servers.RabbitMq) { Host = "127.0.0.1", Port = proxy.Port }.Uri;
        var writers = new Writers(database, new Writers.Plan { Rate = plan.Rate, Seed = plan.Seed });
        await writers.CreateTablesAsync();
        await using var worker = Start(uri, log.Name, database);
        await worker.Started;
        await using var memory = new MemoryWatch(worker);

        using var end = new CancellationTokenSource();
        var writing = writers.RunAsync(end.Token);
        await log.ReachAsync(50, Patience);
        var down = TimeProvider.System.GetTimestamp();
        proxy.Cut(refuse: true);
        say($"the broker is away; {log.Distinct:N0} events had arrived");
        await Task.Delay(plan.Duration, cancellationToken);
        await end.CancelAsync();
        await writing;
        var backlog = await database.CountAsync("outbox_messages");
        var back = TimeProvider.System.GetTimestamp();
        var arrivedBefore = log.Arrivals.Count;
        proxy.Resume();
        say($"the broker is back; {backlog:N0} rows wait");

        if (!await log.ReachAsync(writers.Commits.Count, Patience))
            say($"{writers.Commits.Count - log.Distinct} events had not arrived {Patience.TotalSeconds:0} s later");
        // What was on its way when the broker went away comes a second time.
        await _verdict.CheckAsync(database, writers, log.Arrivals, [new Verdict.Window(down, TimeProvider.System.GetTimestamp())]);
        var drained = log.Arrivals.Skip(arrivedBefore).Select(a => a.At).ToList();
        var settled = TimeProvider.System.GetTimestamp();
        say($"{_verdict.Arrived:N0} events arrived, {_verdict.Copies:N0} of them twice");
        if (drained.Count > 0)
            say(string.Create(CultureInfo.InvariantCulture, $"the first one arrived {TimeProvider.System.GetElapsedTime(back, drained[0]).TotalSeconds:0.0} s after the broker was back"));
        JudgeMemory(memory, down, back, settled);
        foreach (var error in worker.Errors.Take(10))
            say(error);

        if (await worker.TerminateAsync() is not 0)
            _verdict.Add("the worker did not stop in order");
        await JudgeRateAsync(Rate(drained), backlog, database, log, uri);
        return _verdict;
    }

    private Worker Start(Uri uri, string exchange, Database database) => Worker.Start("worker", new
    {
        RabbitMq = new { Uri = uri.ToString() },
        Exchange = exchange,
        Sources = new { campaign = new { Database = plan.Dialect.Name, database.ConnectionString } },
    });

    private void JudgeMemory(MemoryWatch memory, long down, long back, long settled)
    {
        var middle = down + ((back - down) / 2);
        var (first, second, after) = (memory.Most(down, middle), memory.Most(middle, back), memory.Most(back, settled));
        say(string.Create(CultureInfo.InvariantCulture, $"memory of the worker, at most: {first:0} MiB in the first half of the outage, {second:0} MiB in the second, {after:0} MiB while it drained"));
        if (plan.Judges && second > (first * 1.1) + 10)
            _verdict.Add(string.Create(CultureInfo.InvariantCulture, $"the worker's memory grew during the outage, from {first:0} to {second:0} MiB"));
    }

    /// <summary>The same number of rows, with keys alike, are drained by a worker that never saw an outage.</summary>
    private async Task JudgeRateAsync(double rate, long backlog, Database database, DeliveryLog log, Uri uri)
    {
        var keys = (await database.QueryAsync("SELECT id FROM campaign_aggregates")).Select(r => $"key-{r[0]}").ToList();
        await FillAsync(database, (int)backlog, keys);
        var before = log.Arrivals.Count;
        await using var fresh = Start(uri, log.Name, database);
        var began = TimeProvider.System.GetTimestamp();
        while (log.Arrivals.Count < before + backlog && TimeProvider.System.GetElapsedTime(began) < Patience)
            await Task.Delay(50);
        var usual = Rate([.. log.Arrivals.Skip(before).Select(a => a.At)]);
        say(string.Create(CultureInfo.InvariantCulture, $"the backlog drained at {rate:N0} events/s; one of as many rows without an outage drains at {usual:N0}/s: ratio {rate / usual:0.00}"));
        if (plan.Judges && rate < 0.8 * usual)
            _verdict.Add(string.Create(CultureInfo.InvariantCulture, $"the backlog drained at {rate / usual:0.00} of the usual rate"));
    }

    private static async Task FillAsync(Database database, int rows, List<string> keys)
    {
        const int batch = 500;
        for (var written = 0; written < rows; written += batch)
        {
            // About as the writers do: a quarter without a key.
            var values = Enumerable.Range(written, Math.Min(batch, rows - written))
                .Select(i => $"('{Guid.CreateVersion7():D}', {(i % 4 == 0 ? "NULL" : $"'{keys[i % keys.Count]}'")}, '{Writers.Type}', {(database.Dialect == SqlDialect.PostgreSql ? "'\\x30'" : "x'30'")})");
            await database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, partition_key, type, body) VALUES {string.Join(", ", values)}");
        }
    }

    private static double Rate(List<long> arrivals) => arrivals.Count < 2 ? double.NaN : (arrivals.Count - 1) / TimeProvider.System.GetElapsedTime(arrivals[0], arrivals[^1]).TotalSeconds;
}
