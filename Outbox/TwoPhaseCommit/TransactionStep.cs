namespace Outbox.TwoPhaseCommit;

/// <summary>A point in the life of a transaction at which its coordinator could die. Tests of a service kill it there, with <see cref="TwoPhaseCommitOptions.Reached"/>.</summary>
/// <param name="Name"><c>before-enlist</c>, <c>after-enlist</c>, <c>after-work</c>, <c>before-prepare</c>, <c>after-prepare</c>, <c>before-decision</c>, <c>after-decision</c>, <c>before-commit</c>, <c>after-commit</c>, <c>before-rollback</c> or <c>after-rollback</c>; for a last resource, whose commit is the decision, <c>before-commit</c> is before it and <c>after-decision</c> comes last.</param>
/// <param name="Participant">The participant that it is about; null for the whole transaction.</param>
public readonly record struct TransactionStep(string Name, string? Participant = null)
{
    /// <summary><c>after-prepare:ledger</c>.</summary>
    public override string ToString() => Participant is null ? Name : $"{Name}:{Participant}";
}
