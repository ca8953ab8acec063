using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary><c>end-to-end</c>: from rows committed in one database to effects committed in another, through a relay and a consumer in processes of their own.</summary>
internal static class EndToEndBench
{
    private const string Raw = "raw publisher";
    private const string Flow = "rows → effects, in batches";
    private const string Singles = "rows → effects, one by one";

    /// <summary>Most messages of a run in which each has a transaction of its own.</summary>
    private const int MostSingles = 20_000;

    private const string Latency = "commit → effect";

    private sealed record Settings(int Messages, int Bytes, int Batch, int Concurrency, Rounds Rounds, int Rate, int Seconds);

    public static Command Create()
    {
        var messages = BenchOptions.Number("--messages", $"Messages of each run; one by one at most {MostSingles:N0}.", 100_000);
        var bytes = BenchOptions.Number("--bytes", "Bytes of each body.", 1_024, 16);
        var batch = BenchOptions.Number("--batch", "Messages that the consumer applies in one transaction, one batch at a time.", 500, 2);
        var concurrency = BenchOptions.Number("--concurrency", "Messages that the consumer handles at once one by one, each in a transaction of its own.", 8);
        var rounds = new Rounds.Options();
        var rate = BenchOptions.Number("--rate", "Commits a second for the latency.", 100);
        var seconds = BenchOptions.Number("--seconds", "How long the latency is measured; 0 leaves it out.", 10, 0);
        return BenchVerb.Create("end-to-end", "Rate from rows in one database to effects in another over the raw confirmed publish rate, and the time from commit to effect.", [messages, bytes, batch, concurrency, .. rounds.All, rate, seconds], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(messages), parsed.GetValue(bytes), parsed.GetValue(batch), parsed.GetValue(concurrency), rounds.Of(parsed), parsed.GetValue(rate), parsed.GetValue(seconds)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        var cancellationToken = session.CancellationToken;
        string[] things = [Raw, Flow, Singles];
        session.Plan((things.Length * settings.Rounds.All) + 1);
        var queue = await session.CreateQueueAsync();
        var (orders, stock) = (await session.CreateDatabaseAsync(), await session.CreateDatabaseAsync());
        foreach (var database in (BenchDatabase[])[orders, stock])
            await database.CreateBusinessTablesAsync(cancellationToken);
        var task = new ChildTask
        {
            Kind = ChildKind.Relay,
            RabbitMq = session.RabbitMq,
            Exchange = queue.Name,
            Engine = session.Dialect.Name,
            ConnectionStrings = [orders.ConnectionString, stock.ConnectionString],
            Messages = settings.Messages,
            // Long enough for the compiler to make the hot code anew.
            WarmUp = Math.Min(20_000, settings.Messages),
            Bytes = settings.Bytes,
            Concurrency = settings.Concurrency,
            Rate = settings.Rate,
            Seconds = settings.Seconds,
        };
        var samples = new List<BenchSample>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            foreach (var thing in things)
            {
                session.Begin(settings.Rounds.NameOf(pair, thing));
                samples.Add(thing switch
                {
                    Raw => await PublishAsync(pair, task with { Kind = ChildKind.RawPublish }, session, queue),
                    Flow => await FlowAsync(Flow, pair, task with { BatchSize = settings.Batch, Concurrency = 1 }, session, orders, stock),
                    _ => await FlowAsync(Singles, pair, task with { Messages = Math.Min(MostSingles, task.Messages), WarmUp = Math.Min(2_000, task.Messages) }, session, orders, stock),
                });
                session.End();
            }
        }
        if (settings.Seconds > 0)
        {
            session.Begin(string.Create(CultureInfo.InvariantCulture, $"{settings.Rate} commits a second for {settings.Seconds} s"));
            await using var relay = await ChildProcess.StartAsync(task with { Kind = ChildKind.RelayNode, ConnectionStrings = [orders.ConnectionString], WarmUp = 0 }, cancellationToken);
            await relay.GoAsync();
            await using var services = await ChildProcess.StartAsync(task with { Kind = ChildKind.Effect }, cancellationToken);
            samples.Add(await session.MeasureAsync(Latency, 1, () => services.RunAsync(cancellationToken)));
        }
        session.End();
        return Report(settings, session, samples);
    }

    private static async Task<BenchSample> PublishAsync(int pair, ChildTask task, BenchSession session, BenchQueue queue)
    {
        await using var publisher = await ChildProcess.StartAsync(task, session.CancellationToken);
        await queue.PurgeAsync(session.CancellationToken);
        var sample = await session.MeasureAsync(Raw, pair, () => publisher.RunAsync(session.CancellationToken));
        await queue.PurgeAsync(session.CancellationToken);
        return sample;
    }

    private static async Task<BenchSample> FlowAsync(string thing, int pair, ChildTask task, BenchSession session, BenchDatabase orders, BenchDatabase stock)
    {
        var cancellationToken = session.CancellationToken;
        await orders.FillAsync(task.WarmUp, task.Bytes, cancellationToken: cancellationToken);
        // It leaves its warm-up in the queue for that of the consumer.
        await using var relay = await ChildProcess.StartAsync(task with { ConnectionStrings = [orders.ConnectionString] }, cancellationToken);
        await using var consumer = await ChildProcess.StartAsync(task with { Kind = ChildKind.Inbox, ConnectionStrings = [stock.ConnectionString] }, cancellationToken);
        await stock.ForgetAsync(cancellationToken);
        await orders.ForgetAsync(cancellationToken);
        // What the warm-up left behind is no part of this.
        await orders.SettleDownAsync(orders.Sql.TidyUp, cancellationToken);
        await orders.SettleDownAsync(orders.Sql.CheckpointBefore, cancellationToken);
        await orders.FillAsync(task.Messages, task.Bytes, cancellationToken: cancellationToken);
        await orders.SettleDownAsync(orders.Sql.CheckpointAfter, cancellationToken);
        ChildResult? relayed = null;
        var sample = await session.MeasureAsync(thing, pair, async () =>
        {
            await consumer.GoAsync();
            relayed = await relay.RunAsync(cancellationToken);
            return await consumer.ResultAsync(cancellationToken);
        });
        if (await stock.ScalarAsync(stock.Sql.CountEffects, cancellationToken) is var effects && effects != task.Messages)
            throw new BenchFailedException($"{effects} effects are committed, of {task.Messages}.");
        return sample with { Beside = relayed };
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<BenchSample> samples)
    {
        var report = new BenchReport
        {
            Name = "end-to-end",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}, quorum queue, {settings.Messages:N0} messages of {settings.Bytes:N0} bytes, batches of {settings.Batch:N0} one at a time, one by one at most {MostSingles:N0} and {settings.Concurrency} handled at once; relay and consumer in processes of their own, two databases on one server; medians of {settings.Rounds.Count} (lowest–highest). {RateTable.Legend} CPU and memory of rows → effects are the consumer's. Latency, one by one: from the commit's return to the consumer's accept after its commit, by one clock."),
            Columns = RateTable.Columns,
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        RateTable.Add(report, samples, [Raw, Flow, Singles], Raw);
        foreach (var thing in (string[])[Flow, Singles])
            report.Findings.Add($"{thing} / raw publisher = {RateTable.Over(samples, thing, Raw, r => r.Rate)!.ToString("0.00")}");
        if (samples.FirstOrDefault(s => s.What == Latency) is { } latency)
            report.Findings.Add(Latencies.Sentence(report, Latency, latency.Result.Milliseconds));
        return report;
    }
}
