namespace Outbox.TwoPhaseCommit;

/// <summary>A branch that is prepared in its database and waits for the decision.</summary>
/// <param name="Participant">The database.</param>
/// <param name="Id">The transaction.</param>
/// <param name="Age">For how long, where the engine knows.</param>
internal sealed record PreparedBranch(Participant Participant, TransactionId Id, TimeSpan? Age);
