namespace Outbox.Sagas;

/// <summary>What a participant says of an operation.</summary>
/// <param name="Step">The step.</param>
/// <param name="Operation">Its action or compensation.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Round">Which asking it answers; null: it does not say.</param>
/// <param name="Reason">Why it was refused, or failed.</param>
/// <param name="Apply">The state after it.</param>
internal sealed record SagaAnswer(string Step, SagaOperation Operation, SagaOutcome Outcome, int? Round = null, string? Reason = null, Func<object, object>? Apply = null);

internal enum SagaOutcome
{
    /// <summary>It has taken effect.</summary>
    Done,

    /// <summary>It has not, and never will: a business answer.</summary>
    Refused,

    /// <summary>It has become a dead letter, and so may take effect yet.</summary>
    Failed,
}
