using System.CommandLine;
using System.Globalization;
using Broker.Bench;
using Outbox.Sql;

namespace Broker.Benchmarks;

/// <summary><c>writers</c>: the <see cref="WriterCampaign"/> on each engine, with a seed and a duration.</summary>
internal static class WriterCampaignCommand
{
    public static Command Command()
    {
        var plan = new WriterCampaign.Plan();
        var databases = Engines.Option(SqlDialect.PostgreSql, SqlDialect.MySql, SqlDialect.Sqlite);
        var writers = new Option<int>("--writers") { Description = "Writers at once.", DefaultValueFactory = _ => plan.Writers };
        var seconds = new Option<int>("--seconds") { Description = "How long they write, on each engine.", DefaultValueFactory = _ => (int)plan.Duration.TotalSeconds };
        var partitions = new Option<int>("--partitions") { Description = "Partitions of the outbox.", DefaultValueFactory = _ => plan.Partitions };
        var seed = new Option<int>("--seed") { Description = "What they do: the same seed, the same plan.", DefaultValueFactory = _ => plan.Seed };
        var command = new Command("writers", "Writers with waits, rollbacks and long transactions while a relay reads: nothing lost, doubled or out of order, no deadlock for a writer.") { databases, writers, seconds, partitions, seed };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var failed = false;
            foreach (var engine in parsed.GetValue(databases)!)
            {
                await using var database = await BenchDatabase.FindAsync(engine);
                var report = await new WriterCampaign(database.Dialect, database.DataSource, (plan with
                {
                    Writers = parsed.GetValue(writers),
                    Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
                    Partitions = parsed.GetValue(partitions),
                    Seed = parsed.GetValue(seed),
                }).For(database.Dialect)).RunAsync(cancellationToken);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{database.Dialect}: {report.Committed:N0} transactions committed, {report.RolledBack:N0} rolled back, {report.Long:N0} of them long; {report.Arrived:N0} events arrived; {(report.Faults.Count == 0 ? "every promise kept" : "FAULTS")}"));
                foreach (var fault in report.Faults)
                    Console.WriteLine("  " + fault);
                foreach (var said in report.Said.Take(20))
                    Console.WriteLine("  the relay said: " + said);
                failed |= report.Faults.Count > 0;
            }
            return failed ? 1 : 0;
        });
        return command;
    }
}
