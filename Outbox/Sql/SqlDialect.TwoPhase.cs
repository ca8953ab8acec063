namespace Outbox.Sql;

/// <content>Transactions over several databases: their branches, their decision, and the evidence of what became of them.</content>
public abstract partial class SqlDialect
{
    private const string DecisionColumns = "transaction_id, decision, reason, decided_by, branches, decided_at, outcome, finished_at";

    /// <summary>How a transaction of this engine is prepared: kept, by a promise that survives a crash, until somebody says how it ends. Null where it cannot be.</summary>
    internal virtual BranchStatements? Branches => null;

    /// <summary>Leaves the evidence of a branch, in its own transaction: @transaction_id, @branch.</summary>
    internal string InsertMarker { get; } = "INSERT INTO transaction_markers (transaction_id, branch) VALUES (@transaction_id, @branch)";

    /// <summary>Whether a branch has committed: @transaction_id, @branch.</summary>
    internal string FindMarker { get; } = "SELECT 1 FROM transaction_markers WHERE transaction_id = @transaction_id AND branch = @branch";

    /// <summary>Which coordinator of a name this is, and how often its database has been restored: @name. Columns: origin, incarnation, the database's clock.</summary>
    internal string ReadCoordinator => $"SELECT origin, incarnation, {Clock} FROM transaction_coordinators WHERE name = @name";

    /// <summary>Makes a coordinator known: @name, @origin. Fails with "duplicate key" if it is.</summary>
    internal string InsertCoordinator { get; } = "INSERT INTO transaction_coordinators (name, origin, incarnation) VALUES (@name, @origin, 1)";

    /// <summary>Raises a coordinator's incarnation: @name, @actor, @reason.</summary>
    internal string RaiseIncarnation => $"UPDATE transaction_coordinators SET incarnation = incarnation + 1, raised_at = {Clock}, raised_by = @actor, reason = @reason WHERE name = @name";

    /// <summary>The decision (G9): @transaction_id, @coordinator, @decision, @reason, @decided_by, @branches. Fails with "duplicate key" if another has decided; waits for one that is about to.</summary>
    internal string InsertDecision { get; } =
        """
        INSERT INTO transaction_decisions (transaction_id, coordinator, decision, reason, decided_by, branches)
        VALUES (@transaction_id, @coordinator, @decision, @reason, @decided_by, @branches)
        """;

    /// <summary>A decision: @transaction_id.</summary>
    internal string FindDecision { get; } = $"SELECT {DecisionColumns} FROM transaction_decisions WHERE transaction_id = @transaction_id";

    /// <summary>Decisions of more than @seconds ago whose branches have not all been seen to follow: @coordinator, @limit.</summary>
    internal string ListUnfinished => FirstRows($"{DecisionColumns} FROM transaction_decisions WHERE outcome IS NULL AND coordinator = @coordinator AND {IsOlder("decided_at")} ORDER BY decided_at");

    /// <summary>The last decisions: @coordinator, @limit.</summary>
    internal string ListDecisions => FirstRows($"{DecisionColumns} FROM transaction_decisions WHERE coordinator = @coordinator ORDER BY decided_at DESC");

    /// <summary>The last decisions after which branches disagree: @coordinator, @limit.</summary>
    internal string ListHeuristic => FirstRows($"{DecisionColumns} FROM transaction_decisions WHERE coordinator = @coordinator AND outcome = 'heuristic' ORDER BY decided_at DESC");

    /// <summary>Records that all branches followed a decision: @transaction_id.</summary>
    internal string FinishDecision => $"UPDATE transaction_decisions SET outcome = CASE decision WHEN 'commit' THEN 'committed' ELSE 'rolled-back' END, finished_at = {Clock} WHERE transaction_id = @transaction_id AND (outcome IS NULL OR outcome = 'heuristic')";

    /// <summary>Records what became of the branches: @transaction_id, @outcome, @branches.</summary>
    internal string RecordOutcome => $"UPDATE transaction_decisions SET outcome = @outcome, branches = @branches, finished_at = {Clock} WHERE transaction_id = @transaction_id AND outcome IS NULL";

    /// <summary>Deletes up to @limit decisions of more than @seconds ago that all branches followed with an @outcome, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldDecisions { get; }

    /// <summary>Deletes up to @limit markers that are older than @seconds, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldMarkers { get; }

    /// <summary>Now, as the database sees it, UTC.</summary>
    private protected abstract string Clock { get; }

    /// <summary>The first @limit rows of a query without its SELECT.</summary>
    private protected virtual string FirstRows(string query) => $"SELECT {query} LIMIT @limit";
}
