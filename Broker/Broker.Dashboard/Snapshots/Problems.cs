using System.Globalization;
using Broker.Dashboard.Jobs;
using Broker.Dashboard.Pages;
using Broker.Relay;

namespace Broker.Dashboard.Snapshots;

/// <summary>What a snapshot says does not flow.</summary>
internal static class Problems
{
    /// <summary>A source whose oldest row waits longer, while none leaves, is stuck; a relay that is behind works on.</summary>
    private static readonly TimeSpan Stuck = TimeSpan.FromSeconds(30);

    /// <summary>Blocked keys and types that are named for each source.</summary>
    private const int Named = 3;

    /// <summary>Of all sources, the worst first.</summary>
    public static IReadOnlyList<Problem> Of(IEnumerable<SourceSnapshot> snapshots) => [.. snapshots.SelectMany(Of).OrderByDescending(p => p.Weight)];

    /// <summary>Together with what the jobs have found and a snapshot does not show.</summary>
    public static IReadOnlyList<Problem> With(IReadOnlyList<Problem> problems, IReadOnlyList<Finding> findings) =>
    [
        .. problems.Concat(findings.Where(f => f.Kind is SchemaJob.Name or StuckJob.Deferred)
            .Select(f => new Problem(ProblemWeight.Slow, f.Source, f.Kind == SchemaJob.Name ? "Its tables are not as they should be" : "Deferred messages fail again and again", f.Since, f.What, "The log of the jobs says when it is over.", PathOf(f.Source))))
            .OrderByDescending(p => p.Weight),
    ];

    /// <summary>Of one source.</summary>
    public static IReadOnlyList<Problem> Of(SourceSnapshot snapshot)
    {
        var (name, now) = (snapshot.Name, snapshot.At.UtcDateTime);
        if (snapshot.Trouble is { } trouble)
            return [new Problem(ProblemWeight.Stopped, name, "The database does not answer", snapshot.Since.UtcDateTime, trouble, "Mend the database or its connection string; the relay goes on by itself then.", PathOf(name))];
        if (snapshot.Survey is not { } survey)
            return [];
        var problems = new List<Problem>();
        Add(survey.Change != 0, ProblemWeight.Stopped, "Nothing is published while the number of partitions is changed", null, null, "It ends by itself. If it does not, 'broker schema --set-partitions' says what it waits for.", PathOf(name));
        var waits = survey.Lag is { } lag && lag > Stuck ? now - lag : (DateTime?)null;
        if (survey.Backlog > 0 && survey.Relays.Count == 0)
            Add(true, ProblemWeight.Stopped, $"{Rows(survey)} and no relay runs", waits, "no relay has said that it lives", "Start 'broker run', or the service whose relay this is.", PathOf(name));
        else if (waits is not null && snapshot.Out is 0)
            Add(true, ProblemWeight.Stopped, $"{Rows(survey)} and none leaves", waits, WhyOf(survey), "See the partitions and what is blocked.", PathOf(name));
        else if (waits is not null)
            Add(true, ProblemWeight.Slow, $"{Rows(survey)}: the relay is behind", waits, $"{Words.Rate(snapshot.In)} a second are written, {Words.Rate(snapshot.Out)} a second leave", "See the partitions.", PathOf(name));
        foreach (var blocked in BlockedOf(survey).Where(b => b.State != "dead-letter").Take(Named))
        {
            var what = blocked.State == "type" ? $"Messages of type '{blocked.Type}' wait" : blocked.Key is null ? $"A message of type '{blocked.Type}' is tried again" : $"Key '{blocked.Key}' waits for a message that is tried again";
            Add(true, ProblemWeight.Slow, $"{what} ({Words.Several(blocked.Waiting, "row")})", blocked.Since, blocked.Reason, "Mend the cause; they go on by themselves.", PathOf(name));
        }
        Add(survey.Stray > 0, ProblemWeight.Slow, $"{Words.Counted(survey.Stray, SourceSurvey.CountLimit)} rows lie in partitions that nobody reads", null, "a writer outside of the library counts with another number of partitions",
            "Mend the writer, then set the number of partitions to another one and back: that moves the rows.", PathOf(name));
        if (survey.DeadLetters > 0)
        {
            var newest = snapshot.Letters.Count > 0 ? snapshot.Letters[0] : null;
            var limit = SourceSurvey.CountLimit;
            var keys = survey.BlockedKeys == 0 ? "" : $"; {Words.Counted(survey.BlockedKeys, limit)} {(survey.BlockedKeys == 1 ? "key waits" : "keys wait")}";
            Add(true, ProblemWeight.Decide, $"{Words.Counted(survey.DeadLetters, limit)} {(survey.DeadLetters == 1 ? "dead letter waits" : "dead letters wait")} for an operator{keys}", newest?.FirstFailedAt,
                newest is null ? null : $"the newest: {(newest.Consumer is { } consumer ? $"consumer '{consumer}', " : "")}'{newest.Type}': {newest.Reason}", "Redrive or discard them.", $"{BrokerRoutes.Prefix}/dead-letters?source={Uri.EscapeDataString(name)}");
        }
        return problems;

        void Add(bool there, ProblemWeight weight, string what, DateTime? since, string? why, string remedy, string path)
        {
            if (there)
                problems.Add(new Problem(weight, name, what, since, why, remedy, path));
        }
    }

    /// <summary>What the live relays say of what does not flow, what most rows wait for first.</summary>
    public static IReadOnlyList<BlockedKey> BlockedOf(SourceSurvey survey) => [.. survey.Relays.SelectMany(r => RelayStatus.Read(r.Status.Length == 0 ? null : r.Status)).OrderByDescending(b => b.Waiting).Take(BlockedWatch.Most)];

    private static string PathOf(string source) => $"{BrokerRoutes.Prefix}/sources/{Uri.EscapeDataString(source)}";

    private static string Rows(SourceSurvey survey) => string.Create(CultureInfo.InvariantCulture, $"{(survey.IsEstimate ? "About " : "")}{Words.Several(survey.Backlog, "row waits", "rows wait")}");

    private static string? WhyOf(SourceSurvey survey) => BlockedOf(survey) is [var first, ..] ? first.Reason
        : survey.Leases.Any(l => l.Name.StartsWith("relay/", StringComparison.Ordinal) && l.Left > TimeSpan.Zero) ? "a relay holds the partitions, but gets no confirms: is RabbitMQ there?" : "no relay holds the partitions";
}
