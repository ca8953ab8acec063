namespace Outbox.TwoPhaseCommit;

/// <summary>A test has let the coordinator die at a step: nothing is cleaned up after it.</summary>
internal sealed class CoordinatorDiedException(Exception inner) : Exception(inner.Message, inner);
