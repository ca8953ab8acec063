using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Broker.Bench;
using Broker.Relay;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Benchmarks;

/// <summary><c>backlog</c>: how long the question "how much waits, and for how long?" takes on a full outbox.</summary>
internal static class BacklogBenchmark
{
    public static Command Command()
    {
        var databases = Engines.Option(SqlDialect.PostgreSql, SqlDialect.MySql, SqlDialect.Sqlite);
        var rows = new Option<int>("--rows") { Description = "Rows that wait.", DefaultValueFactory = _ => 1_000_000 };
        var command = new Command("backlog", "The backlog query on a full outbox.") { databases, rows };
        command.SetAction(async (parsed, _) =>
        {
            var table = new Table().AddColumns("engine", "rows", "answer", "lag", "median ms", "longest ms");
            foreach (var engine in parsed.GetValue(databases)!)
                await MeasureAsync(engine, parsed.GetValue(rows), table);
            AnsiConsole.Write(table);
        });
        return command;
    }

    private static async Task MeasureAsync(string engine, int rows, Table table)
    {
        await using var database = await BenchDatabase.FindAsync(engine);
        await database.FillAsync(rows);
        var times = new List<double>();
        OutboxBacklog? backlog = null;
        for (var i = 0; i < 11; i++)
        {
            await using var connection = await database.DataSource.OpenConnectionAsync();
            var watch = Stopwatch.StartNew();
            backlog = await OutboxBacklog.ReadAsync(connection, partitions: 1, CancellationToken.None);
            // The first one compiles.
            if (i > 0)
                times.Add(watch.Elapsed.TotalMilliseconds);
        }
        times.Sort();
        string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
        table.AddRow(database.Dialect.Name, Number(rows, "N0"), $"{(backlog!.IsEstimate ? "about " : "")}{Number(backlog.Rows, "N0")}", Number(backlog.Lag.TotalSeconds, "0.0") + " s",
            Number(times[times.Count / 2], "0.0"), Number(times[^1], "0.0"));
    }
}
