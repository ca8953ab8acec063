using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Outbox.Inbox;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary><c>retention</c>: what a large inbox costs those who add to it, and what forgetting its older half costs them.</summary>
internal static class RetentionBench
{
    private const string Consumer = "bench";
    private const int FillBatch = 1_000;
    private const int Batch = 500;
    private const string Beside = "full, one every 2 ms, beside forgetting";
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(2);

    private sealed record Settings(int Rows, int Inserts, Rounds Rounds, int Seconds, bool RandomIds);

    private sealed record Thing(string What, bool IsFull, int BatchSize);

    private static readonly Thing[] Things =
    [
        new("empty, batches of 500", false, Batch), new("full, batches of 500", true, Batch),
        new("empty, one by one", false, 1), new("full, one by one", true, 1),
    ];

    public static Command Create()
    {
        var rows = BenchOptions.Number("--rows", "Rows of the large inbox.", 1_000_000);
        var inserts = BenchOptions.Number("--inserts", "Rows that a run adds in batches; a twentieth of them one by one.", 50_000, Batch);
        var rounds = new Rounds.Options();
        var seconds = BenchOptions.Number("--seconds", "How long old rows are forgotten, at most.", 30);
        var randomIds = new Option<bool>("--random-ids") { Description = "Message ids without an order, as other producers may make them. Default: of version 7, as this product makes them." };
        return BenchVerb.Create("retention", "Rate of adding to a large inbox, over that of an empty one, and how long forgetting its older half holds locks.", [rows, inserts, .. rounds.All, seconds, randomIds], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(rows), parsed.GetValue(inserts), rounds.Of(parsed), parsed.GetValue(seconds), parsed.GetValue(randomIds)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        session.Plan((Things.Length * settings.Rounds.All) + 2);
        var (full, empty) = (await session.CreateDatabaseAsync(), await session.CreateDatabaseAsync());
        await empty.CreateBusinessTablesAsync(session.CancellationToken);
        session.Begin(string.Create(CultureInfo.InvariantCulture, $"filling with {settings.Rows:N0} rows"));
        var half = await FillAsync(full, settings, session.CancellationToken);
        await full.SettleDownAsync(full.Sql.TidyUp, session.CancellationToken);
        session.End();

        var samples = new List<BenchSample>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            foreach (var thing in Things)
            {
                session.Begin(settings.Rounds.NameOf(pair, thing.What));
                if (!thing.IsFull)
                    await empty.ForgetAsync(session.CancellationToken);
                await full.SettleDownAsync(full.Sql.CheckpointBefore ?? full.Sql.CheckpointAfter, session.CancellationToken);
                var rows = thing.BatchSize == 1 ? Math.Max(1, settings.Inserts / 20) : settings.Inserts;
                samples.Add(await session.MeasureAsync(thing.What, pair, () => InsertAsync(thing.IsFull ? full : empty, rows, thing.BatchSize, settings.RandomIds, Task.Delay(Timeout.Infinite, session.CancellationToken), session.CancellationToken)));
                session.End();
            }
        }

        session.Begin("forgetting the older half");
        var (forgotten, held, beside) = await ForgetAsync(full, half, settings, session);
        samples.Add(beside);
        session.End();
        return Report(settings, session, samples, forgotten, held, beside.Result);
    }

    /// <summary>Fills the inbox as its consumer would have, and tells when half of it was there.</summary>
    private static async Task<long> FillAsync(BenchDatabase database, Settings settings, CancellationToken cancellationToken)
    {
        var half = TimeProvider.System.GetTimestamp();
        await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
        for (var filled = 0; filled < settings.Rows;)
        {
            var some = Math.Min(FillBatch, settings.Rows - filled);
            await AddAsync(connection, database.Dialect, some, settings.RandomIds, cancellationToken);
            filled += some;
            if (filled <= settings.Rows / 2)
                half = TimeProvider.System.GetTimestamp();
        }
        return half;
    }

    /// <summary>Adds rows until there are enough, or until told to stop.</summary>
    private static async Task<ChildResult> InsertAsync(BenchDatabase database, int rows, int batch, bool randomIds, Task stop, CancellationToken cancellationToken, TimeSpan pause = default)
    {
        var milliseconds = new List<double>();
        await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
        var (start, added) = (TimeProvider.System.GetTimestamp(), 0L);
        while (added < rows && !stop.IsCompleted)
        {
            var before = TimeProvider.System.GetTimestamp();
            await AddAsync(connection, database.Dialect, (int)Math.Min(batch, rows - added), randomIds, cancellationToken);
            milliseconds.Add(TimeProvider.System.GetElapsedTime(before).TotalMilliseconds);
            added += batch;
            if (pause > TimeSpan.Zero)
                await Task.Delay(pause, cancellationToken);
        }
        return new ChildResult { Count = Math.Min(added, rows), Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds, PeakBytes = Environment.WorkingSet, Milliseconds = milliseconds };
    }

    private static async Task AddAsync(DbConnection connection, SqlDialect dialect, int rows, bool randomIds, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(dialect.ConsumerIsolation, cancellationToken);
        if (rows == 1)
            await DbTransactionInbox.Instance.TryAddAsync(transaction, Consumer, Id(), cancellationToken);
        else
            await DbTransactionInbox.Instance.TryAddAsync(transaction, Consumer, [.. Enumerable.Range(0, rows).Select(_ => Id())], cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        Guid Id() => randomIds ? MessageIds.Parse($"foreign-{Guid.CreateVersion7()}")!.Value : Guid.CreateVersion7();
    }

    /// <summary>Forgets the older half as a consumer does, while another adds rows one by one.</summary>
    private static async Task<(ChildResult Forgotten, List<double> Held, BenchSample Beside)> ForgetAsync(BenchDatabase database, long half, Settings settings, BenchSession session)
    {
        // A database that has just been filled writes its pages at some time: not in here.
        await database.SettleDownAsync(database.Sql.CheckpointBefore ?? database.Sql.CheckpointAfter, session.CancellationToken);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(session.CancellationToken);
        end.CancelAfter(TimeSpan.FromSeconds(settings.Seconds));
        var (held, start, deleted) = (new List<double>(), TimeProvider.System.GetTimestamp(), 0L);
        var gradual = new GradualDelete(TimeProvider.System)
        {
            Deleted = (count, time) =>
            {
                held.Add(time.TotalMilliseconds);
                deleted += count;
            },
        };
        var forgetting = Task.Run(async () =>
        {
            try
            {
                await gradual.RunAsync(database.DataSource, database.Dialect.DeleteOldInbox, TimeProvider.System.GetElapsedTime(half), command => command.With("consumer", Consumer), end.Token);
            }
            catch (OperationCanceledException) when (!session.CancellationToken.IsCancellationRequested)
            {
                // Its time is over; the rest of the rows is of no interest.
            }
        });
        var beside = await session.MeasureAsync(Beside, 1, () => InsertAsync(database, int.MaxValue, 1, settings.RandomIds, forgetting, session.CancellationToken, Pace));
        await forgetting;
        return (new ChildResult { Count = deleted, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds }, held, beside);
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<BenchSample> samples, ChildResult forgotten, List<double> held, ChildResult beside)
    {
        var report = new BenchReport
        {
            Name = "retention",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}; an inbox of {settings.Rows:N0} rows with {(settings.RandomIds ? "random ids" : "ids of version 7")} beside an empty one; medians of {settings.Rounds.Count} (lowest–highest). Forgetting: the older half, for at most {settings.Seconds} s, while rows are added one by one; its times are those of holding locks."),
            Columns = ["", "rows/s", "÷ empty", "p99 ms", "longest ms"],
            Unit = "rows a second",
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        foreach (var thing in Things)
        {
            var rate = Range.Of(RateTable.Counted(samples, thing.What).Select(s => s.Result.Rate))!;
            var times = RateTable.Counted(samples, thing.What).SelectMany(s => s.Result.Milliseconds).ToList();
            var ratio = thing.IsFull ? RateTable.Over(samples, thing.What, Things.Single(t => !t.IsFull && t.BatchSize == thing.BatchSize).What, r => r.Rate) : null;
            report.Rows.Add([thing.What, rate.ToString("N0"), ratio?.ToString("0.00") ?? "", At(times, 99), At(times, 100)]);
            report.Bars.Add(Bar.Of(thing.What, rate));
            report.Results[$"{thing.What}: rows a second"] = rate.Median;
            if (ratio is null)
                continue;
            report.Results[$"{thing.What} / empty"] = ratio.Median;
            report.Findings.Add($"{thing.What} ÷ empty = {ratio.ToString("0.00")}");
        }
        report.Rows.Add([Beside, Text(beside.Rate), "", At(beside.Milliseconds, 99), At(beside.Milliseconds, 100)]);
        report.Rows.Add(["forgetting", Text(forgotten.Rate), "", At(held, 99), At(held, 100)]);
        report.Results["forgetting: rows a second"] = forgotten.Rate;
        report.Results["forgetting: longest lock, ms"] = held.DefaultIfEmpty().Max();
        report.Results["forgetting: longest insert beside it, ms"] = beside.Milliseconds.DefaultIfEmpty().Max();
        report.Findings.Add(string.Create(CultureInfo.InvariantCulture, $"forgetting {forgotten.Count:N0} rows by {held.Count:N0} transactions: the longest held its locks for {held.DefaultIfEmpty().Max():0.0} ms, the longest insert beside it {beside.Milliseconds.DefaultIfEmpty().Max():0.0} ms"));
        return report;
    }

    private static string Text(double rate) => rate.ToString("N0", CultureInfo.InvariantCulture);

    private static string At(IReadOnlyList<double> milliseconds, double percent) => milliseconds.Count == 0 ? "" : Statistics.Percentile(milliseconds, percent).ToString("0.0", CultureInfo.InvariantCulture);
}
