namespace Outbox.Diagnostics;

/// <summary>What lies in the tables of a source.</summary>
/// <param name="Rows">Rows that wait.</param>
/// <param name="Lag">How long the oldest that could be published has waited.</param>
/// <param name="Scheduled">Rows that are due later.</param>
/// <param name="DeadLetters">Dead letters, of the relay and of consumers.</param>
/// <param name="Deferred">Messages that consumers of this database have deferred.</param>
/// <param name="Stray">Rows in partitions that nobody reads.</param>
internal sealed record OutboxReading(long Rows, TimeSpan Lag, long Scheduled, long DeadLetters, long Deferred, long Stray);
