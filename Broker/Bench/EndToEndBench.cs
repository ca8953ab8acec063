using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary><c>end-to-end</c>: from rows committed in one database to effects committed in another, through a relay and a consumer in processes of their own.</summary>
internal static class EndToEndBench
{
    private const string Flow = "rows → effects";
    private const string Latency = "commit → effect";

    private sealed record Settings(int Messages, int Bytes, int Concurrency, int Pairs, int Rate, int Seconds);

    public static Command Create()
    {
        var messages = BenchOptions.Number("--messages", "Messages of each run.", 20_000);
        var bytes = BenchOptions.Number("--bytes", "Bytes of each body.", 1_024, 16);
        var concurrency = BenchOptions.Number("--concurrency", "Messages that the consumer handles at once, each in a transaction of its own.", 8);
        var pairs = BenchOptions.Number("--pairs", "Runs; one more before them warms the servers and does not count.", 5);
        var rate = BenchOptions.Number("--rate", "Commits a second for the latency.", 100);
        var seconds = BenchOptions.Number("--seconds", "How long the latency is measured; 0 leaves it out.", 10, 0);
        return BenchVerb.Create("end-to-end", "Rate from rows in one database to effects in another, and the time from commit to effect.", [messages, bytes, concurrency, pairs, rate, seconds], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(messages), parsed.GetValue(bytes), parsed.GetValue(concurrency), parsed.GetValue(pairs), parsed.GetValue(rate), parsed.GetValue(seconds)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        var cancellationToken = session.CancellationToken;
        session.Plan(settings.Pairs + 2);
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
            WarmUp = Math.Min(2_000, settings.Messages),
            Bytes = settings.Bytes,
            Concurrency = settings.Concurrency,
            Rate = settings.Rate,
            Seconds = settings.Seconds,
        };
        var samples = new List<BenchSample>();
        for (var pair = 0; pair <= settings.Pairs; pair++)
        {
            session.Begin(pair == 0 ? $"warm-up: {Flow}" : $"round {pair} of {settings.Pairs}: {Flow}");
            samples.Add(await FlowAsync(pair, task, session, orders, stock));
            session.End();
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

    private static async Task<BenchSample> FlowAsync(int pair, ChildTask task, BenchSession session, BenchDatabase orders, BenchDatabase stock)
    {
        var cancellationToken = session.CancellationToken;
        await orders.FillAsync(task.WarmUp, task.Bytes, cancellationToken: cancellationToken);
        // It leaves its warm-up in the queue for that of the consumer.
        await using var relay = await ChildProcess.StartAsync(task with { ConnectionStrings = [orders.ConnectionString] }, cancellationToken);
        await using var consumer = await ChildProcess.StartAsync(task with { Kind = ChildKind.Inbox, ConnectionStrings = [stock.ConnectionString] }, cancellationToken);
        await stock.ForgetAsync(cancellationToken);
        await orders.ForgetAsync(cancellationToken);
        await orders.FillAsync(task.Messages, task.Bytes, cancellationToken: cancellationToken);
        await orders.SettleDownAsync(orders.Sql.CheckpointAfter, cancellationToken);
        ChildResult? relayed = null;
        var sample = await session.MeasureAsync(Flow, pair, async () =>
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
        var flows = RateTable.Counted(samples, Flow).ToList();
        var rate = Range.Of(flows.Select(s => s.Result.Rate))!;
        var report = new BenchReport
        {
            Name = "end-to-end",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}, quorum queue, {settings.Messages:N0} messages of {settings.Bytes:N0} bytes, {settings.Concurrency} handled at once, relay and consumer in processes of their own, two databases on one server; {settings.Pairs} runs (lowest–highest). Latency: from the commit's return to the consumer's accept after its commit, by one clock."),
            Columns = Latencies.Columns,
            Unit = settings.Seconds > 0 ? "milliseconds" : "messages a second",
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        report.Results["messages a second"] = rate.Median;
        report.Findings.Add($"rows to effects: {rate.ToString("N0")} messages a second");
        if (samples.FirstOrDefault(s => s.What == Latency) is { } latency)
            Latencies.Add(report, Latency, latency.Result.Milliseconds);
        else
            report.Bars.Add(Bar.Of(Flow, rate));
        return report;
    }
}
