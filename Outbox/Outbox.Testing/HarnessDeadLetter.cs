namespace Outbox.Testing;

/// <summary>A message that could not be handled, or published.</summary>
/// <param name="Source">The outbox in whose database it lies.</param>
/// <param name="Consumer">The consumer that could not handle it; <see langword="null"/>: the relay could not publish it.</param>
/// <param name="MessageId">Its id, as the sender wrote it.</param>
/// <param name="Type">Name of its type.</param>
/// <param name="Reason">Why, in one sentence.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="BlocksKey">Whether the later messages of its key wait for an operator.</param>
public sealed record HarnessDeadLetter(string Source, string? Consumer, string MessageId, string Type, string Reason, int Attempts, bool BlocksKey);
