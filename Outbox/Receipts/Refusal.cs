namespace Outbox.Receipts;

/// <summary>A consumer could not apply a message: it became a dead letter there.</summary>
/// <param name="Consumer">The consumer.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="At">When, in UTC, by the clock of the consumer's process.</param>
public sealed record Refusal(string Consumer, string Reason, DateTimeOffset At);
