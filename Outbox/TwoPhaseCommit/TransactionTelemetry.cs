using Outbox.Diagnostics;

namespace Outbox.TwoPhaseCommit;

/// <summary>What transactions over several databases tell of themselves: by the coordinator's name, never by an id. Told after the fact: what a dying process has not told was not counted.</summary>
internal static class TransactionTelemetry
{
    /// <summary>A transaction has ended, as far as its coordinator knows.</summary>
    public static void Ended(string coordinator, string outcome, TimeSpan took)
    {
        OutboxMetrics.Transactions.Add(1, Of(coordinator), new("outcome", outcome));
        OutboxMetrics.TransactionDuration.Record(took.TotalSeconds, Of(coordinator), new("outcome", outcome));
    }

    /// <inheritdoc cref="Ended(string, string, TimeSpan)"/>
    public static void Ended(string coordinator, TransactionOutcome outcome, TimeSpan took) => Ended(
        coordinator,
        outcome switch
        {
            TransactionOutcome.Committed => Decision.Committed,
            TransactionOutcome.RolledBack => Decision.RolledBack,
            _ => "in-doubt",
        },
        took);

    /// <summary>Recovery has finished a branch.</summary>
    public static void Recovered(string coordinator, Decision decision) => OutboxMetrics.BranchesRecovered.Add(1, Of(coordinator), new("decision", decision.Word));

    /// <summary>A branch was found on the other side of the decision, and that is recorded.</summary>
    public static void Heuristic(string coordinator) => OutboxMetrics.HeuristicOutcomes.Add(1, Of(coordinator));

    private static KeyValuePair<string, object?> Of(string coordinator) => new("coordinator", coordinator);
}
