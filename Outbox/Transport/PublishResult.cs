namespace Outbox.Transport;

/// <summary>What became of one published message.</summary>
/// <param name="Ticket">The number given with the message.</param>
/// <param name="Outcome">Its fate.</param>
/// <param name="Reason">Why, when it was not confirmed; for people.</param>
public readonly record struct PublishResult(long Ticket, PublishOutcome Outcome, string? Reason = null);
