namespace Outbox.Consumers;

/// <summary>A message of a batch, what became of it, and why.</summary>
/// <param name="Incoming">The message.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Error">Why it failed.</param>
internal sealed record BatchResult(IncomingMessage Incoming, BatchOutcome Outcome, Exception? Error = null);
