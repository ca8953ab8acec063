using System.Collections.Concurrent;
using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Broker.Bench;
using Broker.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.Diagnostics;
using Outbox.RabbitMQ;
using Outbox.Sql;
using Outbox.Transport;
using Spectre.Console;

namespace Broker.Benchmarks;

/// <summary><c>notify</c>: what PostgreSQL's NOTIFY costs those who write, and what it brings: how soon the rows of programs that ring no doorbell are published.</summary>
internal static class NotifyBenchmark
{
    private const string Insert = "INSERT INTO outbox_messages (message_id, type, body) VALUES (@id, 'bench.notify.v1', @body)";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly byte[] Body = new byte[1_024];

    private sealed record Settings(int Writers, int Seconds, int Pairs, double Rate);

    public static Command Command()
    {
        var writers = BenchOptions.Number("--writers", "Writers at once, each committing as fast as it can.", 8);
        var seconds = BenchOptions.Number("--seconds", "Length of each run.", 10);
        var pairs = BenchOptions.Number("--pairs", "Pairs of runs, without and with the trigger; one more before them does not count.", 5);
        var rate = new Option<double>("--rate") { Description = "Rows a second for the latency.", DefaultValueFactory = _ => 50 };
        var command = new Command("notify", "Commit rate of writers, and time from a foreign commit to its publication, with and without NOTIFY. PostgreSQL.") { writers, seconds, pairs, rate };
        command.SetAction((parsed, cancellationToken) => MeasureAsync(new Settings(parsed.GetValue(writers), parsed.GetValue(seconds), parsed.GetValue(pairs), parsed.GetValue(rate)), cancellationToken));
        return command;
    }

    private static async Task MeasureAsync(Settings settings, CancellationToken cancellationToken)
    {
        using var servers = BenchServers.Find(("rabbitmq", null), ("postgres", null));
        await using var database = await BenchDatabase.CreateAsync(SqlDialect.PostgreSql, servers["postgres"], cancellationToken);
        await using var queue = await BenchQueue.CreateAsync(new Uri(servers["rabbitmq"]), cancellationToken);
        await using var transport = new RabbitMqTransport(new RabbitMqOptions { Uri = new Uri(servers["rabbitmq"]), Topology = TopologyMode.None }, NullLoggerFactory.Instance, TimeProvider.System);
        await database.ExecuteAsync("CREATE TABLE business (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL)", cancellationToken: cancellationToken);
        var commits = new[] { new List<double>(), new List<double>() };
        var (p50, p99) = (new[] { new List<double>(), new List<double>() }, new[] { new List<double>(), new List<double>() });
        for (var pair = 0; pair <= settings.Pairs; pair++)
        {
            for (var with = 0; with < 2; with++)
            {
                await database.ExecuteAsync((with == 1 ? database.Dialect.CreateNotify : database.Dialect.DropNotify)!, cancellationToken: cancellationToken);
                await database.ExecuteAsync("TRUNCATE outbox_messages, business; CHECKPOINT", cancellationToken: cancellationToken);
                var rate = await CommitAsync(database, settings, cancellationToken);
                await database.ExecuteAsync("TRUNCATE outbox_messages, business; CHECKPOINT", cancellationToken: cancellationToken);
                var latencies = await PublishAsync(database, transport, queue.Name, settings, with == 1, cancellationToken);
                if (pair == 0)
                    continue;
                commits[with].Add(rate);
                p50[with].Add(latencies[latencies.Count / 2]);
                p99[with].Add(latencies[(int)(latencies.Count * 0.99)]);
                AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"pair {pair}, {(with == 1 ? "with   " : "without")}: {rate:N0} commits/s; p50 {p50[with][^1]:0.0} ms, p99 {p99[with][^1]:0.0} ms"));
            }
        }
        var table = new Table().AddColumns("", "without", "with", "with / without");
        void Row(string what, List<double>[] runs, string format) => table.AddRow(what, Broker.Bench.Range.Of(runs[0])!.ToString(format), Broker.Bench.Range.Of(runs[1])!.ToString(format), Broker.Bench.Range.Of(runs[0].Zip(runs[1], (without, with) => with / without))!.ToString("0.00"));
        Row(string.Create(CultureInfo.InvariantCulture, $"{settings.Writers} writers, commits/s"), commits, "N0");
        Row(string.Create(CultureInfo.InvariantCulture, $"{settings.Rate} rows/s, p50 ms"), p50, "0.0");
        Row(string.Create(CultureInfo.InvariantCulture, $"{settings.Rate} rows/s, p99 ms"), p99, "0.0");
        AnsiConsole.Write(table);
    }

    /// <summary>Each writer inserts a row of its business and one of the outbox, and commits; somebody listens, and no relay runs.</summary>
    private static async Task<double> CommitAsync(BenchDatabase database, Settings settings, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var source = new RelaySource { Name = "bench", Dialect = database.Dialect, DataSource = database.DataSource, Transport = new InMemoryTransport() };
        var listening = new NotifyListener(source, () => { }, TimeProvider.System, NullLogger.Instance).RunAsync(stop.Token);
        var start = TimeProvider.System.GetTimestamp();
        var counts = await Task.WhenAll(Enumerable.Range(0, settings.Writers).Select(_ => Task.Run(async () =>
        {
            await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
            var count = 0L;
            for (; TimeProvider.System.GetElapsedTime(start).TotalSeconds < settings.Seconds; count++)
                await CommitAsync(connection, cancellationToken);
            return count;
        }, cancellationToken)));
        var seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        await stop.CancelAsync();
        await listening;
        return counts.Sum() / seconds;
    }

    /// <summary>Milliseconds, in order, from the return of each commit to the message's arrival at a consumer. The writers tell the relay nothing.</summary>
    private static async Task<List<double>> PublishAsync(BenchDatabase database, RabbitMqTransport transport, string queue, Settings settings, bool notify, CancellationToken cancellationToken)
    {
        var seen = new ConcurrentDictionary<Guid, TaskCompletionSource<long>>();
        await using var consumer = await transport.SubscribeAsync(new SubscriptionOptions { Queue = queue, Exchange = queue, Types = ["#"] }, async (delivery, _) =>
        {
            ArrivalOf(seen, Guid.Parse(delivery.MessageId!)).TrySetResult(TimeProvider.System.GetTimestamp());
            await delivery.AcceptAsync();
        }, cancellationToken);
        var source = new RelaySource { Name = "bench", Dialect = database.Dialect, DataSource = database.DataSource, Transport = transport, Exchange = queue, Doorbell = false, Notify = notify };
        using var relay = new RelayService([source], TimeProvider.System, NullLogger<RelayService>.Instance, StepSignals.None);
        await relay.StartAsync(cancellationToken);
        await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
        var first = await CommitAsync(connection, cancellationToken);
        await ArriveAsync(seen, first, cancellationToken);

        var committed = new List<(Guid Id, long At)>();
        var start = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < settings.Rate * settings.Seconds; i++)
        {
            // Not in step with any poll.
            var due = TimeSpan.FromSeconds((i + Random.Shared.NextDouble()) / settings.Rate) - TimeProvider.System.GetElapsedTime(start);
            if (due > TimeSpan.Zero)
                await Task.Delay(due, cancellationToken);
            committed.Add((await CommitAsync(connection, cancellationToken), TimeProvider.System.GetTimestamp()));
        }
        var milliseconds = new List<double>();
        foreach (var (id, at) in committed)
            milliseconds.Add(Math.Max(0, TimeProvider.System.GetElapsedTime(at, await ArriveAsync(seen, id, cancellationToken)).TotalMilliseconds));
        await relay.StopAsync(cancellationToken);
        return [.. milliseconds.Order()];
    }

    private static TaskCompletionSource<long> ArrivalOf(ConcurrentDictionary<Guid, TaskCompletionSource<long>> seen, Guid id) =>
        seen.GetOrAdd(id, static _ => new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));

    private static async Task<long> ArriveAsync(ConcurrentDictionary<Guid, TaskCompletionSource<long>> seen, Guid id, CancellationToken cancellationToken)
    {
        try
        {
            return await ArrivalOf(seen, id).Task.WaitAsync(Patience, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new InvalidOperationException($"Message {id} did not arrive within {Patience.TotalSeconds:0} s.");
        }
    }

    private static async Task<Guid> CommitAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var id = Guid.CreateVersion7();
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.Command("INSERT INTO business (what) VALUES ('something')", transaction).ExecuteAsync(cancellationToken);
        await connection.Command(Insert, transaction).With("id", id).With("body", Body).ExecuteAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return id;
    }
}
