namespace Outbox.TwoPhaseCommit;

/// <summary>A transaction that has not ended on one side in all its participants, or that ended on both.</summary>
/// <param name="Id">The transaction.</param>
/// <param name="State"><see cref="Waiting"/>, <see cref="Late"/>, <see cref="Lost"/>, <see cref="OfAnother"/>, <see cref="Finishing"/>, or the outcome of one that has ended.</param>
/// <param name="Decision">What is decided, if anything is.</param>
/// <param name="Branches">What is known of each branch.</param>
/// <param name="OldestPrepared">For how long the oldest branch has been prepared, where an engine knows.</param>
internal sealed record InDoubtTransaction(TransactionId Id, string State, Decision? Decision, IReadOnlyList<InDoubtTransaction.Branch> Branches, TimeSpan? OldestPrepared)
{
    /// <summary>Prepared, not decided, and its coordinator still has time.</summary>
    public const string Waiting = "waiting";

    /// <summary>Prepared, not decided, and past its deadline: recovery rolls it back.</summary>
    public const string Late = "late";

    /// <summary>Prepared before the database of the decision was restored: only a person can decide.</summary>
    public const string Lost = "decision-lost";

    /// <summary>Prepared by a coordinator of the same name whose decisions are elsewhere: nothing is done with it here.</summary>
    public const string OfAnother = "of-another";

    /// <summary>Decided, but not all branches have been seen to follow.</summary>
    public const string Finishing = "finishing";

    /// <summary>A branch.</summary>
    /// <param name="Participant">Its participant.</param>
    /// <param name="Vote">Its vote, if that is known.</param>
    /// <param name="State"><c>prepared</c>; <c>committed</c> if its marker row is there, <c>rolled-back</c> if neither is; null if its participant does not answer.</param>
    internal sealed record Branch(string Participant, string? Vote, string? State);
}
