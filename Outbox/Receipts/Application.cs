namespace Outbox.Receipts;

/// <summary>A consumer has applied a message.</summary>
/// <param name="Consumer">The consumer.</param>
/// <param name="At">When, in UTC, by the clock of the consumer's process, shortly before the commit.</param>
public sealed record Application(string Consumer, DateTimeOffset At);
