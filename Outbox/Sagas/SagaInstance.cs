namespace Outbox.Sagas;

/// <summary>Where one saga stands. Immutable.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Version">Raised by each turn.</param>
/// <param name="Status">How it stands.</param>
/// <param name="Step">The step that it is at.</param>
/// <param name="Operation">What it has asked for.</param>
/// <param name="Round">How often it was asked for anew after a refusal, from 1.</param>
/// <param name="Attempt">How often it was sent, from 1.</param>
/// <param name="Entries">The entries of its history.</param>
/// <param name="GivenUp">The operations that a person has given up.</param>
/// <param name="State">What it remembers.</param>
/// <param name="Reason">Why it turned back.</param>
/// <param name="Trouble">Why it is parked.</param>
internal sealed record SagaInstance(
    string Id, long Version, SagaStatus Status, string? Step, SagaOperation Operation, int Round, int Attempt, int Entries, int GivenUp, object State, string? Reason, string? Trouble)
{
    public bool HasEnded => Status is SagaStatus.Completed or SagaStatus.Compensated or SagaStatus.Failed;
}
