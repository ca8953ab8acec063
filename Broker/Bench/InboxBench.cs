using System.CommandLine;
using System.Globalization;

namespace Broker.Bench;

/// <summary><c>inbox</c>: how fast the consumer applies messages that wait in a quorum queue, beside bare consuming and a naive consumer.</summary>
internal static class InboxBench
{
    private const string Raw = "raw consumer";
    private const string Inbox = "inbox, one by one";
    private const string Naive = "naive consumer";

    /// <summary>Most messages of a run in which each has a transaction of its own: it is slow, and its rate is steady after them.</summary>
    private const int Singles = 20_000;

    private const string Failing = ", some fail";
    private const int Keys = 10_000;

    private const string Others = ", others while some fail";
    private const int Rate = 300;

    private sealed record Settings(int Messages, int Bytes, int Concurrency, IReadOnlyList<int> Batches, Rounds Rounds, int Naive, bool Failing, int Seconds);

    public static Command Create()
    {
        var messages = BenchOptions.Number("--messages", $"Messages of each run; one by one at most {Singles:N0}.", 100_000);
        var bytes = BenchOptions.Number("--bytes", "Bytes of each body.", 1_024, 16);
        var concurrency = BenchOptions.Number("--concurrency", "Messages that the consumer handles at once, each in a transaction of its own.", 8);
        var batches = new Option<int[]>("--batches") { Description = "Batch sizes that are measured beside it: so many messages in one transaction, one batch at a time.", HelpName = "numbers", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [50, 500] };
        batches.Validators.Add(result =>
        {
            if (result.GetValue(batches)!.Any(b => b is < 2 or > 2_000))
                result.AddError("--batches: each must be from 2 to 2,000.");
        });
        var rounds = new Rounds.Options();
        var naive = BenchOptions.Number("--naive", "Messages of the naive consumer, which is slow; 0 leaves it out.", 3_000, 0);
        var failing = new Option<bool>("--failing") { Description = $"Measures instead what failures cost: messages of {Keys:N0} keys, in order, of which one in 500 fails always and one in 50 twice, beside the same without failures. Rates are of the first 95 %. Last, how late the effects of keys without failures are beside those with, at a steady rate." };
        var seconds = BenchOptions.Number("--seconds", "With --failing, how long it is measured how late other keys are; 0 leaves it out.", 15, 0);
        return BenchVerb.Create("inbox", "Rate of effects that a consumer commits with its inbox, over bare consuming and over a naive consumer.", [messages, bytes, concurrency, batches, .. rounds.All, naive, failing, seconds], (parsed, session) =>
            MeasureAsync(new Settings(parsed.GetValue(messages), parsed.GetValue(bytes), parsed.GetValue(concurrency), parsed.GetValue(batches)!, rounds.Of(parsed), parsed.GetValue(naive), parsed.GetValue(failing), parsed.GetValue(seconds)), session));
    }

    private static async Task<BenchReport> MeasureAsync(Settings settings, BenchSession session)
    {
        string[] things = settings.Failing ? [.. settings.Batches.Prepend(1).SelectMany(size => new[] { ByKey(size), ByKey(size) + Failing })] : [Raw, Inbox, .. settings.Batches.Select(Batch), .. settings.Naive > 0 ? [Naive] : Array.Empty<string>()];
        session.Plan((things.Length * settings.Rounds.All) + (settings is { Failing: true, Seconds: > 0 } ? settings.Batches.Count + 1 : 0));
        var queue = await session.CreateQueueAsync();
        var database = await session.CreateDatabaseAsync();
        await database.CreateBusinessTablesAsync(session.CancellationToken);
        await using var publisher = await RawPublisher.OpenAsync(new Uri(session.RabbitMq), queue.Name, RawPublisher.StandardWindow, session.CancellationToken);
        var samples = new List<BenchSample>();
        for (var pair = settings.Rounds.First; pair <= settings.Rounds.Count; pair++)
        {
            foreach (var thing in things)
            {
                session.Begin(settings.Rounds.NameOf(pair, thing));
                samples.Add(await RunAsync(thing, pair, thing == Naive ? settings.Naive : thing == Inbox || thing.StartsWith(ByKey(1), StringComparison.Ordinal) ? Math.Min(Singles, settings.Messages) : settings.Messages, settings, session, queue, database, publisher));
                session.End();
            }
        }
        foreach (var size in settings is { Failing: true, Seconds: > 0 } ? settings.Batches.Prepend(1) : [])
        {
            session.Begin(string.Create(CultureInfo.InvariantCulture, $"others at {Rate} messages a second, {ByKey(size)}"));
            samples.Add(await LateAsync(size, settings, session, queue, database));
            session.End();
        }
        return Report(settings, session, samples, things);
    }

    /// <summary>How late the effects of other keys are while some messages fail.</summary>
    private static async Task<BenchSample> LateAsync(int batch, Settings settings, BenchSession session, BenchQueue queue, BenchDatabase database)
    {
        await queue.PurgeAsync(session.CancellationToken);
        await database.ForgetAsync(session.CancellationToken);
        await using var child = await ChildProcess.StartAsync(new ChildTask
        {
            Kind = ChildKind.Late,
            RabbitMq = session.RabbitMq,
            Exchange = queue.Name,
            Engine = session.Dialect.Name,
            ConnectionStrings = [database.ConnectionString],
            Bytes = settings.Bytes,
            Concurrency = batch > 1 ? 1 : settings.Concurrency,
            BatchSize = batch,
            ByKey = true,
            SomeFail = true,
            Rate = Rate,
            Seconds = settings.Seconds,
        }, session.CancellationToken);
        return await session.MeasureAsync(ByKey(batch) + Others, 1, () => child.RunAsync(session.CancellationToken));
    }

    private static string ByKey(int size) => size == 1 ? "by key, one by one" : string.Create(CultureInfo.InvariantCulture, $"by key, batches of {size}");

    private static string Batch(int size) => string.Create(CultureInfo.InvariantCulture, $"inbox, batches of {size}");

    private static async Task<BenchSample> RunAsync(string thing, int pair, int messages, Settings settings, BenchSession session, BenchQueue queue, BenchDatabase database, RawPublisher publisher)
    {
        var cancellationToken = session.CancellationToken;
        var batch = settings.Batches.FirstOrDefault(size => Batch(size) == thing || thing.Replace(Failing, "", StringComparison.Ordinal) == ByKey(size));
        var keys = settings.Failing ? Keys : 0;
        // What fails in the last seconds of a run may still be in the queue.
        await queue.PurgeAsync(cancellationToken);
        await database.ForgetAsync(cancellationToken);
        // Long enough for the compiler to make the hot code anew: also what runs once for a batch, and what runs for one message in fifty.
        var warmUp = Math.Min((thing == Naive ? 300 : batch > 1 || thing == Raw ? 20_000 : 2_000) * (settings.Failing ? 3 : 1), messages);
        var body = BenchMessage.Of(settings.Bytes).ToBody();
        await publisher.PublishAsync(body, warmUp, cancellationToken, keys);
        await using var child = await ChildProcess.StartAsync(new ChildTask
        {
            Kind = thing switch { Raw => ChildKind.RawConsume, Naive => ChildKind.NaiveConsume, _ => ChildKind.Inbox },
            RabbitMq = session.RabbitMq,
            Exchange = queue.Name,
            Engine = session.Dialect.Name,
            ConnectionStrings = [database.ConnectionString],
            Messages = messages,
            WarmUp = warmUp,
            Concurrency = batch > 0 ? 1 : settings.Concurrency,
            BatchSize = Math.Max(1, batch),
            ByKey = settings.Failing,
            SomeFail = thing.EndsWith(Failing, StringComparison.Ordinal),
        }, cancellationToken);
        await database.ForgetAsync(cancellationToken);
        if (settings.Failing)
            await queue.PurgeAsync(cancellationToken);
        await publisher.PublishAsync(body, messages, cancellationToken, keys);
        var sample = await session.MeasureAsync(thing, pair, () => child.RunAsync(cancellationToken));
        if (thing != Raw && await database.ScalarAsync(database.Sql.CountEffects, cancellationToken) is var effects && (settings.Failing ? effects < InboxChild.Awaited(messages) || effects > messages : effects != messages))
            throw new BenchFailedException($"{thing}: {effects} effects are committed, of {messages}.");
        return sample;
    }

    private static BenchReport Report(Settings settings, BenchSession session, List<BenchSample> samples, string[] things)
    {
        var report = new BenchReport
        {
            Name = "inbox",
            What = string.Create(CultureInfo.InvariantCulture, $"{session.Systems}, quorum queue, {settings.Messages:N0} messages of {settings.Bytes:N0} bytes, one by one at most {Singles:N0} and {settings.Concurrency} handled at once, one row each; medians of {settings.Rounds.Count} (lowest–highest). {RateTable.Legend}"),
            Columns = RateTable.Columns,
        };
        foreach (var sample in samples)
            report.Samples.Add(sample);
        RateTable.Add(report, samples, things, settings.Failing ? null : Raw);
        foreach (var clean in settings.Failing ? things.Where(t => !t.EndsWith(Failing, StringComparison.Ordinal)) : [])
        {
            if (RateTable.Over(samples, clean + Failing, clean, r => r.Rate) is not { } share)
                continue;
            report.Results[$"{clean}{Failing} / without"] = share.Median;
            report.Findings.Add($"{clean}{Failing} / without failures = {share.ToString("0.00")}");
        }
        foreach (var late in samples.Where(s => s.What.EndsWith(Others, StringComparison.Ordinal)))
        {
            report.Findings.Add($"{Latencies.Sentence(report, late.What, late.Result.Milliseconds)}; the latest {late.Result.Milliseconds.Max():0} ms");
            report.Results[$"{late.What}: max ms"] = late.Result.Milliseconds.Max();
        }
        foreach (var thing in settings.Naive > 0 && !settings.Failing ? things.Where(t => t is not (Raw or Naive)) : [])
        {
            if (RateTable.Over(samples, thing, Naive, r => r.Rate) is not { } ratio)
                continue;
            report.Results[$"{thing} / naive"] = ratio.Median;
            report.Findings.Add($"{thing} / naive consumer = {ratio.ToString("0.0")}");
        }
        return report;
    }
}
