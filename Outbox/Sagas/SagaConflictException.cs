namespace Outbox.Sagas;

/// <summary>Another message has moved the saga on since it was read. The work is rolled back and tried again at once.</summary>
internal sealed class SagaConflictException(string saga, string id) : Exception($"Saga '{saga}' {id} was moved on by another message at the same time.");
