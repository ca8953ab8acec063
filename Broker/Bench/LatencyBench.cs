using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary><c>latency</c>: how long after its commit a message is at a consumer of the queue, at a steady rate, with the relay in the writer's process or in one of its own.</summary>
internal static class LatencyBench
{
    public static Command Create()
    {
        var rate = BenchOptions.Number("--rate", "Commits a second.", 100);
        var seconds = BenchOptions.Number("--seconds", "How long.", 20);
        var bytes = BenchOptions.Number("--bytes", "Bytes of each body.", 1_024, 16);
        var across = new Option<bool>("--across") { Description = "The relay in a process of its own, as a worker; otherwise in the writer's." };
        return BenchVerb.Create("latency", "Time from a commit's return to the message's arrival at a consumer of the queue.", [rate, seconds, bytes, across], async (parsed, session) =>
        {
            var isAcross = parsed.GetValue(across);
            session.Plan(1);
            var queue = await session.CreateQueueAsync();
            var database = await session.CreateDatabaseAsync();
            await database.CreateBusinessTablesAsync(session.CancellationToken);
            var task = new ChildTask
            {
                Kind = ChildKind.Arrival,
                RabbitMq = session.RabbitMq,
                Exchange = queue.Name,
                Engine = session.Dialect.Name,
                ConnectionStrings = [database.ConnectionString],
                Bytes = parsed.GetValue(bytes),
                Rate = parsed.GetValue(rate),
                Seconds = parsed.GetValue(seconds),
                InProcess = !isAcross,
            };
            var what = isAcross ? "across processes" : "in one process";
            session.Begin(string.Create(CultureInfo.InvariantCulture, $"{task.Rate} commits a second for {task.Seconds} s, {what}"));
            if (isAcross)
            {
                var relay = await session.StartAsync(task with { Kind = ChildKind.RelayNode });
                await relay.GoAsync();
            }
            await using var writer = await ChildProcess.StartAsync(task, session.CancellationToken);
            var sample = await session.MeasureAsync(what, 1, () => writer.RunAsync(session.CancellationToken));
            session.End();
            var report = new BenchReport
            {
                Name = "latency",
                What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}, quorum queue, {task.Rate} commits a second for {task.Seconds} s, bodies of {task.Bytes:N0} bytes; writer and relay {what}. From the commit's return to the arrival at a consumer in the writer's process, by one clock; the broker has confirmed the message about then."),
                Columns = Latencies.Columns,
                Unit = "milliseconds",
            };
            report.Samples.Add(sample);
            Latencies.Add(report, what, sample.Result.Milliseconds);
            return report;
        });
    }
}
