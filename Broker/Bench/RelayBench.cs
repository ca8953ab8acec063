using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary><c>relay</c>: how fast the relay empties an outbox into a quorum queue, as a ratio to the raw confirmed publish rate and to a naive loop. Runs alternate, because a machine's speed changes from minute to minute.</summary>
internal static class RelayBench
{
    private const string Raw = "raw publisher";
    private const string OneAtATime = "raw, one at a time";
    private const string Relay = "relay";
    private const string Naive = "naive loop";
    private const string Backlog = "relay, backlog";
    private const int TwoStages = 5_000;
    private static readonly TimeSpan PauseOfWarmUp = TimeSpan.FromSeconds(2);

    private sealed record Settings(int Messages, int Bytes, int Keys, int Partitions, Rounds Rounds, int Naive, int Backlog)
    {
        public int WarmUp => Math.Min(Messages, 40_000);
    }

    public static Command Create()
    {
        var messages = BenchOptions.Number("--messages", "Messages of each run.", 100_000);
        var bytes = BenchOptions.Number("--bytes", "Bytes of each body.", 1_024, 16);
        var keys = BenchOptions.Number("--keys", "Partition keys, drawn evenly; 0 for none, 1 for one hot key.", 0, 0);
        var partitions = BenchOptions.Number("--partitions", "Partitions of the outbox.", 1);
        var rounds = new Rounds.Options();
        var naive = BenchOptions.Number("--naive", "Messages of the naive loop, which is slow; 0 leaves it out.", 3_000, 0);
        var backlog = BenchOptions.Number("--backlog", "At the end let the relay drain a backlog of so many rows, and show the most memory that it held. 0 leaves it out.", 0, 0);
        return BenchVerb.Create("relay", "Relay rate over raw confirmed publish rate, with CPU and memory of each.", [messages, bytes, keys, partitions, .. rounds.All, naive, backlog], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(messages), parsed.GetValue(bytes), parsed.GetValue(keys), parsed.GetValue(partitions), rounds.Of(parsed), parsed.GetValue(naive), parsed.GetValue(backlog)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        // Of one key only one message may be on its way, so a publisher that waits for each confirm is the limit.
        string[] things = [Raw, .. settings.Keys == 1 ? [OneAtATime] : Array.Empty<string>(), Relay, .. settings.Naive > 0 ? [Naive] : Array.Empty<string>()];
        session.Plan((things.Length * settings.Rounds.All) + (settings.Backlog > 0 ? 1 : 0));
        var queue = await session.CreateQueueAsync();
        var database = await session.CreateDatabaseAsync();
        await database.ExecuteAsync(BenchSql.SetPartitions(settings.Partitions), cancellationToken: session.CancellationToken);
        var samples = new List<BenchSample>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            foreach (var thing in things)
            {
                session.Begin(settings.Rounds.NameOf(pair, thing));
                samples.Add(await RunAsync(thing, pair, thing == Naive ? settings.Naive : thing == OneAtATime ? Math.Min(settings.Messages, 10_000) : settings.Messages, settings, session, queue, database));
                session.End();
            }
        }
        if (settings.Backlog > 0)
        {
            session.Begin(string.Create(CultureInfo.InvariantCulture, $"a backlog of {settings.Backlog:N0} rows"));
            samples.Add(await RunAsync(Backlog, 1, settings.Backlog, settings, session, queue, database));
            session.End();
        }
        return Report(settings, session, samples, settings.Backlog > 0 ? [.. things, Backlog] : things);
    }

    private static async Task<BenchSample> RunAsync(string thing, int pair, int messages, Settings settings, BenchSession session, BenchQueue queue, BenchDatabase database)
    {
        var cancellationToken = session.CancellationToken;
        var warmUp = thing is Naive or OneAtATime ? Math.Min(300, messages) : Math.Min(settings.WarmUp, messages);
        // The naive loop knows no keys and no partitions.
        var (keys, partitions) = thing == Naive ? (0, 1) : (settings.Keys, settings.Partitions);
        var readsDatabase = thing is not (Raw or OneAtATime);
        var twice = thing is Relay or Backlog && warmUp >= TwoStages;
        if (readsDatabase)
            await database.FillAsync(twice ? warmUp / 2 : warmUp, settings.Bytes, keys, partitions, cancellationToken);
        var starting = ChildProcess.StartAsync(new ChildTask
        {
            Kind = thing switch { Raw or OneAtATime => ChildKind.RawPublish, Naive => ChildKind.NaiveRelay, _ => ChildKind.Relay },
            RabbitMq = session.RabbitMq,
            Exchange = queue.Name,
            Engine = session.Dialect.Name,
            ConnectionStrings = [database.ConnectionString],
            Partitions = partitions,
            Messages = messages,
            WarmUp = warmUp,
            Bytes = settings.Bytes,
            Window = thing == OneAtATime ? 1 : RawPublisher.StandardWindow,
        }, cancellationToken);
        if (twice)
            await FillLaterAsync(starting, database, warmUp - (warmUp / 2), settings.Bytes, keys, partitions, cancellationToken);
        await using var child = await starting;
        if (readsDatabase)
        {
            await database.SettleDownAsync(database.Sql.TidyUp, cancellationToken);
            await database.SettleDownAsync(database.Sql.CheckpointBefore, cancellationToken);
            await database.FillAsync(messages, settings.Bytes, keys, partitions, cancellationToken);
            await database.SettleDownAsync(database.Sql.CheckpointAfter, cancellationToken);
        }
        await queue.PurgeAsync(cancellationToken);
        var arrived = 0L;
        var sample = await session.MeasureAsync(thing, pair, async () =>
        {
            var running = child.RunAsync(cancellationToken);
            // A queue with millions of messages would measure the broker's disk and memory.
            while (thing == Backlog && await Task.WhenAny(running, Task.Delay(1_000, cancellationToken)) != running)
                arrived += await queue.PurgeAsync(cancellationToken);
            return await running;
        });
        arrived += await queue.PurgeAsync(cancellationToken);
        if (arrived < messages)
            throw new BenchFailedException($"{thing}: the queue held {arrived} messages; {messages} were confirmed.");
        if (readsDatabase && await database.ScalarAsync(database.Sql.CountRows, cancellationToken) is > 0 and var left)
            throw new BenchFailedException($"{thing}: {left} rows are left in the outbox.");
        return sample;
    }

    /// <summary>The compiler makes hot code in two stages, each after a burst of calls and a pause.</summary>
    private static async Task FillLaterAsync(Task<ChildProcess> starting, BenchDatabase database, int rows, int bytes, int keys, int partitions, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAny(starting, Task.Delay(PauseOfWarmUp, cancellationToken));
            await database.FillAsync(rows, bytes, keys, partitions, cancellationToken);
        }
        catch
        {
            if (await starting.ContinueWith(s => s.IsCompletedSuccessfully ? s.Result : null, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default) is { } child)
                await child.DisposeAsync();
            throw;
        }
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<BenchSample> samples, string[] things)
    {
        var keys = settings.Keys == 0 ? "no keys" : string.Create(CultureInfo.InvariantCulture, $"{settings.Keys:N0} key{(settings.Keys == 1 ? "" : "s")}");
        var report = new BenchReport
        {
            Name = "relay",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}, quorum queue, {settings.Messages:N0} messages of {settings.Bytes:N0} bytes, {keys}, {settings.Partitions} partition(s); medians of {settings.Rounds.Count} (lowest–highest). {RateTable.Legend}"),
            Columns = RateTable.Columns,
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        RateTable.Add(report, samples, things.Except([Backlog]), Raw);
        if (settings.Backlog > 0)
            RateTable.Add(report, samples, [Backlog], raw: null);
        var (rate, cpu) = (RateTable.Over(samples, Relay, Raw, r => r.Rate)!, RateTable.Over(samples, Relay, Raw, r => r.CpuSecondsPer10000)!);
        var more = Range.Of(RateTable.Counted(samples, Relay).Join(RateTable.Counted(samples, Raw), s => s.Pair, s => s.Pair, (s, o) => s.Result.AllocatedBytesEach - o.Result.AllocatedBytesEach))!;
        report.Results["relay CPU / raw publisher CPU"] = cpu.Median;
        report.Results["relay allocation - raw publisher allocation, bytes a message"] = more.Median;
        report.Findings.Add($"relay / raw = {rate.ToString("0.00")}; client CPU relay / raw = {cpu.ToString("0.00")}; allocation relay − raw = {more.ToString("N0")} bytes a message");
        if (things.Contains(OneAtATime))
        {
            var overOne = RateTable.Over(samples, Relay, OneAtATime, r => r.Rate)!;
            report.Results[$"{Relay} / {OneAtATime}"] = overOne.Median;
            report.Findings.Add($"relay / raw, one at a time = {overOne.ToString("0.00")}");
        }
        if (settings.Naive > 0)
        {
            var overNaive = RateTable.Over(samples, Relay, Naive, r => r.Rate)!;
            report.Results["relay / naive loop"] = overNaive.Median;
            report.Findings.Add($"relay / naive loop = {overNaive.ToString("0.0")}");
        }
        return report;
    }
}
