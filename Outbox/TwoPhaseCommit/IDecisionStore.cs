namespace Outbox.TwoPhaseCommit;

/// <summary>Where the decisions of a coordinator are kept. Whoever writes first under a transaction's id has decided it (G9). Thread-safe.</summary>
/// <remarks>Every method may be tried again, and throws what its engine throws: then it is unknown whether it took effect.</remarks>
internal interface IDecisionStore
{
    /// <summary>Where that is, for people.</summary>
    string Name { get; }

    /// <summary>The origin and the incarnation of the coordinator, which is made known if it is new, and the store's clock, UTC.</summary>
    Task<(string Origin, int Incarnation, DateTime Now)> LookAsync(CancellationToken cancellationToken);

    /// <summary>Raises the incarnation, after the store was restored from a backup: what was decided after the backup is not known any more.</summary>
    Task RaiseIncarnationAsync(string actor, string reason, CancellationToken cancellationToken);

    /// <summary>Decides, unless it is decided; waits for one who is about to. Returns what is decided.</summary>
    Task<Decision> DecideAsync(Decision proposal, CancellationToken cancellationToken);

    /// <summary>The decision on a transaction; null if there is none.</summary>
    Task<Decision?> FindAsync(TransactionId id, CancellationToken cancellationToken);

    /// <summary>Decisions of more than an age ago whose branches have not all been seen to follow.</summary>
    Task<IReadOnlyList<Decision>> ListUnfinishedAsync(TimeSpan age, int limit, CancellationToken cancellationToken);

    /// <summary>The last decisions; or those after which branches disagree.</summary>
    Task<IReadOnlyList<Decision>> ListAsync(bool onlyHeuristic, int limit, CancellationToken cancellationToken);

    /// <summary>Records that all branches of transactions followed.</summary>
    Task FinishAsync(IReadOnlyList<Decision> decisions, CancellationToken cancellationToken);

    /// <summary>Records what became of the branches of a transaction.</summary>
    Task RecordAsync(Decision decision, string outcome, IReadOnlyList<BranchRecord> branches, CancellationToken cancellationToken);

    /// <summary>Forgets old decisions that all branches followed.</summary>
    Task ForgetAsync(TimeSpan age, CancellationToken cancellationToken);
}
