using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Bench;

/// <summary><c>two-phase</c>: what it costs that two databases commit or none: beside a transaction in one of them, and beside two transactions one after the other, which promise nothing.</summary>
internal static class TwoPhaseBench
{
    private const string Local = "one local transaction";
    private const string Two = "two local transactions, one after the other";
    private const string Both = "two-phase commit, both prepare";
    private const string Last = "two-phase commit, the first database last";

    private sealed record Settings(int Clients, int Seconds, int Rounds);

    private sealed record Measured(string What, double Rate, IReadOnlyList<double> Milliseconds);

    public static Command Create()
    {
        var second = new Option<string>("--second") { Description = $"Engine of the second database, which has to prepare: {SqlDialect.PostgreSql} or {SqlDialect.MySql}. Its server is that of BROKER_TEST_POSTGRES or …_MARIADB, or of docker/servers.sh.", DefaultValueFactory = _ => SqlDialect.MySql.Name, HelpName = "engine" };
        var clients = BenchOptions.Number("--clients", "Transactions at once, up to 1,000.", 8);
        var seconds = BenchOptions.Number("--seconds", "Length of each run.", 5);
        var rounds = BenchOptions.Number("--rounds", "Rounds of runs; one more before them warms the servers and does not count.", 3);
        return BenchVerb.Create("two-phase", "Rate and latency of two-phase commits over two databases, beside local transactions.", [second, clients, seconds, rounds], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(clients), parsed.GetValue(seconds), parsed.GetValue(rounds)), BenchDatabase.Engine(parsed.GetValue(second)!), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, SqlDialect engine, BenchSession session)
    {
        if (engine.Branches is null)
            throw new OutboxConfigurationException($"--second '{engine}' cannot prepare a transaction. Use {SqlDialect.PostgreSql} or {SqlDialect.MySql}.");
        var first = await session.CreateDatabaseAsync();
        await using var second = await BenchDatabase.FindAsync(engine.Name);
        await first.CreateBusinessTablesAsync(session.CancellationToken);
        await second.CreateBusinessTablesAsync(session.CancellationToken);
        await using var both = first.Dialect.Branches is null ? null : CoordinatorOf("bench-both", first, second, isLast: false);
        await using var last = CoordinatorOf("bench-last", first, second, isLast: true);
        var things = new List<(string What, Func<int, Task> RunAsync)>
        {
            (Local, id => ChangeAsync(first, id)),
            (Two, async id =>
            {
                await ChangeAsync(first, id);
                await ChangeAsync(second, id);
            }),
        };
        if (both is not null)
            things.Add((Both, id => TransferAsync(both, id)));
        things.Add((Last, id => TransferAsync(last, id)));

        session.Plan(things.Count * (settings.Rounds + 1));
        var measured = new List<Measured>();
        for (var round = 0; round <= settings.Rounds; round++)
        {
            foreach (var (what, runAsync) in things)
            {
                session.Begin(round == 0 ? $"warm-up: {what}" : $"round {round} of {settings.Rounds}: {what}");
                var result = await RunAsync(what, settings, runAsync, session.CancellationToken);
                if (round > 0)
                    measured.Add(result);
                session.End();
            }
        }
        return Report(settings, $"{first.Version}, {second.Version}", [.. things.Select(t => t.What)], measured);
    }

    private static async Task<Measured> RunAsync(string what, Settings settings, Func<int, Task> runAsync, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        var length = TimeSpan.FromSeconds(settings.Seconds);
        var clients = await Task.WhenAll(Enumerable.Range(0, settings.Clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            var own = BenchSql.Accounts / settings.Clients;
            var times = new List<double>();
            while (TimeProvider.System.GetElapsedTime(began) < length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var start = TimeProvider.System.GetTimestamp();
                // Each client has accounts of its own: measured is the protocol, not the wait for another's lock.
                await runAsync((client * own) + random.Next(own));
                times.Add(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds);
            }
            return times;
        }, cancellationToken)));
        List<double> all = [.. clients.SelectMany(c => c)];
        return new Measured(what, all.Count / TimeProvider.System.GetElapsedTime(began).TotalSeconds, all);
    }

    private static TransactionCoordinator CoordinatorOf(string name, BenchDatabase first, BenchDatabase second, bool isLast)
    {
        var builder = new TwoPhaseCommitBuilder(name);
        _ = isLast ? builder.AddLastResource("first", first.DataSource) : builder.AddParticipant("first", first.DataSource);
        builder.AddParticipant("second", second.DataSource);
        return new TransactionCoordinator(builder.Build(null!, TimeProvider.System, NullLogger.Instance), services: null);
    }

    private static async Task ChangeAsync(BenchDatabase database, int id)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await Change(connection, transaction, id);
        await transaction.CommitAsync();
    }

    private static async Task TransferAsync(TransactionCoordinator coordinator, int id)
    {
        await using var transaction = await coordinator.BeginAsync(TimeSpan.FromSeconds(30));
        foreach (var name in (string[])["first", "second"])
        {
            var participant = await transaction.EnlistAsync(name);
            await Change(participant.Connection, participant.Transaction, id);
        }
        if (await transaction.CommitAsync() is var outcome and not TransactionOutcome.Committed)
            throw new BenchFailedException($"A transaction did not commit: {outcome}.");
    }

    private static Task<int> Change(DbConnection connection, DbTransaction transaction, int id) =>
        connection.Command(BenchSql.Of(SqlDialect.Of(connection)).UpdateAccount, transaction).With("id", id).ExecuteAsync(CancellationToken.None);

    private static BenchReport Report(Settings settings, string systems, IReadOnlyList<string> things, IReadOnlyList<Measured> measured)
    {
        var report = new BenchReport
        {
            Name = "two-phase",
            What = string.Create(CultureInfo.InvariantCulture, $"{systems}; {settings.Clients} clients for {settings.Seconds} s, each transaction one update in each database; medians of {settings.Rounds} (lowest–highest), latencies of all runs together. Decisions are kept in the first database."),
            Columns = ["", "transactions/s", "÷ local", "p50 ms", "p99 ms"],
            Unit = "transactions a second",
        };
        var local = Range.Of(measured.Where(m => m.What == Local).Select(m => m.Rate))!;
        foreach (var what in things)
        {
            var own = measured.Where(m => m.What == what).ToList();
            var rate = Range.Of(own.Select(m => m.Rate))!;
            List<double> times = [.. own.SelectMany(m => m.Milliseconds)];
            var (p50, p99) = (Statistics.Percentile(times, 50), Statistics.Percentile(times, 99));
            report.Rows.Add([what, rate.ToString("N0"), (rate.Median / local.Median).ToString("0.00", CultureInfo.InvariantCulture), p50.ToString("0.0", CultureInfo.InvariantCulture), p99.ToString("0.0", CultureInfo.InvariantCulture)]);
            report.Bars.Add(Bar.Of(what, rate));
            report.Results[$"{what}: transactions a second"] = rate.Median;
            report.Results[$"{what}: p50 ms"] = p50;
            report.Results[$"{what}: p99 ms"] = p99;
        }
        return report;
    }
}
