using System.CommandLine;
using System.Data;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Broker.Bench;
using Broker.Relay;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;
using Spectre.Console;

namespace Broker.Benchmarks;

/// <summary>
/// <c>held</c>: whether transactions that stay open slow the reading down. What was published leaves dead entries behind, and an open reader keeps them from being removed;
/// an open writer keeps the floor of the reading below all of them.
/// </summary>
internal static class HeldBenchmark
{
    private const int Batch = 1_000;
    private const int Measured = 40;

    public static Command Command()
    {
        var databases = Engines.Option(SqlDialect.PostgreSql, SqlDialect.MySql);
        var rows = new Option<int>("--rows") { Description = "Rows published while the transactions are open.", DefaultValueFactory = _ => 500_000 };
        var command = new Command("held", "Time of a batch read after many published rows, with an open reader and an open writer, over that of a fresh table.") { databases, rows };
        command.SetAction(async (parsed, _) =>
        {
            var table = new Table().AddColumns("engine", "rows published", "fresh, ms a batch", "held, ms a batch", "held / fresh");
            foreach (var engine in parsed.GetValue(databases)!)
                await MeasureAsync(engine, parsed.GetValue(rows), table);
            AnsiConsole.Write(table);
        });
        return command;
    }

    private static async Task MeasureAsync(string engine, int rows, Table table)
    {
        var fresh = 0.0;
        // Twice: the first time compiles.
        for (var i = 0; i < 2; i++)
        {
            await using var database = await BenchDatabase.FindAsync(engine);
            await database.FillAsync((Measured + 5) * Batch);
            fresh = await DrainAsync(database, skip: 5);
        }
        await using var held = await BenchDatabase.FindAsync(engine);
        await using var reader = await held.DataSource.OpenConnectionAsync();
        await using var reading = await reader.BeginTransactionAsync(IsolationLevel.RepeatableRead);
        await ReadAllAsync(reader, reading);
        await using var writer = await held.DataSource.OpenConnectionAsync();
        await using var writing = await writer.BeginTransactionAsync();
        await writer.Command("INSERT INTO outbox_messages (message_id, type, body) VALUES (@id, 'bench.held.v1', @body)", writing)
            .With("id", Guid.CreateVersion7()).With("body", Array.Empty<byte>()).ExecuteAsync(CancellationToken.None);

        await held.FillAsync(rows + (Measured * Batch));
        var after = await DrainAsync(held, skip: rows / Batch);
        string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
        table.AddRow(held.Dialect.Name, Number(rows, "N0"), Number(fresh, "0.00"), Number(after, "0.00"), Number(after / fresh, "0.00"));
        await writing.RollbackAsync();
        await reading.RollbackAsync();
    }

    /// <summary>Reads and settles everything as the relay does, and gives the median time of the looks after the skipped ones.</summary>
    private static async Task<double> DrainAsync(BenchDatabase database, int skip)
    {
        var source = new RelaySource { Name = "bench", Dialect = database.Dialect, DataSource = database.DataSource, Transport = new InMemoryTransport() };
        await using var lease = (await new DatabaseLeases(source.DataSource, source.Dialect, TimeProvider.System).TryAcquireAsync("relay/0", "bench", TimeSpan.FromMinutes(10), CancellationToken.None))!;
        await using var store = await SqlOutboxStore.OpenAsync(source, 0, lease.Name, lease.Token, CancellationToken.None);
        var outbox = new OutboxReader(store, TimeProvider.System);
        var times = new List<double>();
        for (var look = 0; look < skip + Measured; look++)
        {
            var watch = Stopwatch.StartNew();
            var found = await outbox.LookAsync(known: Batch, Batch, CancellationToken.None);
            outbox.Finish(found, []);
            if (look >= skip)
                times.Add(watch.Elapsed.TotalMilliseconds);
            if (found.Rows.Count < Batch)
                throw new InvalidOperationException($"Look {look} found {found.Rows.Count} rows only.");
            await store.SettleAsync([.. found.Rows.Select(r => r.Sequence)], CancellationToken.None);
        }
        times.Sort();
        return times[times.Count / 2];
    }

    private static async Task ReadAllAsync(DbConnection connection, DbTransaction transaction) =>
        await connection.Command("SELECT count(*) FROM outbox_messages", transaction).ScalarAsync(CancellationToken.None);
}
