using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Outbox.Health;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>Tells whether the relay of a source works, has nothing to do, waits for somebody, or is stuck, and why.</summary>
/// <remarks>What a restart would not mend is never worse than degraded: a database or a broker that is away is waited for, and other sources flow meanwhile (G7, G8).</remarks>
internal sealed class SourceHealth(RelaySource source) : IHealthReporter
{
    /// <summary>Each beat has a limit far below this, so a loop that has not turned for so long will not turn any more.</summary>
    internal static readonly TimeSpan LongestTurn = TimeSpan.FromMinutes(1);

    /// <summary>Two looks of the backlog in which nothing was published, and there was nothing to publish.</summary>
    private static readonly TimeSpan IdleAfter = TimeSpan.FromSeconds(10);

    /// <summary>Whether its loop stands still, which only a restart mends.</summary>
    public bool IsHung => source.State.IsRunning && source.State.SinceTurn > LongestTurn + source.Options.LeaseDuration;

    public HealthFinding Report()
    {
        var state = source.State;
        var (word, status, reason) = Judge(state, (source.Transport as ITransportState)?.Publishing ?? TransportStanding.Connected);
        return new HealthFinding($"source/{source.Name}", word, status, reason, Details(state));
    }

    private (string State, HealthStatus Status, string Reason) Judge(SourceState state, TransportStanding broker)
    {
        if (!state.IsRunning)
            return ("starting", HealthStatus.Degraded, "Its relay does not run yet.");
        if (IsHung)
            return ("hung", HealthStatus.Unhealthy, $"Its relay has not turned for {Of(state.SinceTurn)}. Start the process again, and keep its log.");
        if (state.Failed is { } failed)
            return ("database away", HealthStatus.Degraded, $"Its relay cannot work since {Of(state.Since(failed.Since))}, and tries on. {failed.Reason}");
        if (state.Beat is not { } beat)
            return ("starting", HealthStatus.Degraded, "Its database has not answered yet.");
        if (beat.Held == 0)
        {
            if (beat.Others > 0)
                return ("stand-by", HealthStatus.Healthy, "Other relays drain all partitions; this one takes over when one of them ends.");
            return state.HasHeld
                ? ("waiting", HealthStatus.Degraded, "It has no partition now: leases run out first, or the number of partitions is being changed.")
                : ("starting", HealthStatus.Degraded, "It has no partition yet: the leases of a relay that has died run out first.");
        }
        if (broker.Condition is TransportCondition.Away)
            return ("broker away", HealthStatus.Degraded, $"Nothing is published until RabbitMQ is back. {broker.Reason}");
        if (broker.Condition is TransportCondition.Blocked)
            return ("broker blocked", HealthStatus.Degraded, $"RabbitMQ takes no messages now: {broker.Reason}");
        return JudgeFlow(state, beat.Others > 0);
    }

    private (string State, HealthStatus Status, string Reason) JudgeFlow(SourceState state, bool hasOthers)
    {
        var (limit, backlog) = (source.Options.StuckAfter, state.Looked?.Reading);
        var isLate = backlog is { Rows: > 0 } && backlog.Lag > limit;
        var isSilent = state.SincePublished > limit;
        if (isLate && isSilent && (!hasOthers || state.Blocked.Count > 0))
            return ("stuck", HealthStatus.Degraded, $"{Number(backlog!.Rows)} rows wait, the oldest for {Of(backlog.Lag)}, and nothing was published for {Of(state.SincePublished)}: {Cause(state)}");
        if (state.Blocked.Any(b => b.State != "retrying" || state.Since(b.Since) > limit))
            return ("blocked", HealthStatus.Degraded, $"Other rows flow, but {Cause(state)}");
        if (isLate)
            return ("behind", HealthStatus.Healthy, $"{Number(backlog!.Rows)} rows wait, the oldest for {Of(backlog.Lag)}, and {(isSilent ? "none of them here: whether they flow, the other relays know" : "they flow")}.");
        if (state.HasPublished && state.SincePublished < IdleAfter)
            return ("flowing", HealthStatus.Healthy, "Rows are published.");
        return ("idle", HealthStatus.Healthy, backlog is null && hasOthers ? "Nothing was published here lately; the relay that holds the first partition knows what waits." : "There is nothing to publish.");
    }

    private string Cause(SourceState state)
    {
        // What most rows wait for comes first. Without the key, which may name a person: health asks nobody to log in.
        var blocked = state.Blocked.MaxBy(b => b.Waiting);
        return blocked?.State switch
        {
            "type" => $"messages of type '{blocked.Type}' cannot be published: {blocked.Reason}.",
            "dead-letter" => $"a key waits behind a dead letter of type '{blocked.Type}': {blocked.Reason}. Redrive or discard it: 'broker dead-letters list --source {source.Name}'.",
            "retrying" => $"a row of type '{blocked.Type}' is tried again: {blocked.Reason}.",
            _ => "the relay's log says more.",
        };
    }

    private static Dictionary<string, object> Details(SourceState state)
    {
        var details = new Dictionary<string, object>(StringComparer.Ordinal);
        if (state.Beat is { } beat)
            (details["partitions"], details["held"], details["otherRelays"], details["secondsSinceBeat"]) = (beat.Partitions, beat.Held, beat.Others, Seconds(state.Since(beat.At)));
        if (state.Looked is { } looked)
            (details["backlog"], details["lagSeconds"], details["deadLetters"], details["secondsSinceLook"]) = (looked.Reading.Rows, Seconds(looked.Reading.Lag), looked.Reading.DeadLetters, Seconds(state.Since(looked.At)));
        return details;
    }

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 1);

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Of(TimeSpan time)
    {
        var (number, unit) = time < TimeSpan.FromMinutes(2) ? (time.TotalSeconds, "s") : time < TimeSpan.FromHours(2) ? (time.TotalMinutes, "min") : (time.TotalHours, "h");
        return string.Create(CultureInfo.InvariantCulture, $"{number:0} {unit}");
    }
}
