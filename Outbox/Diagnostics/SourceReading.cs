namespace Outbox.Diagnostics;

/// <summary>What a source's gauges show, as it was last seen by those who work on it.</summary>
/// <param name="Source">The source.</param>
/// <param name="Engine">Its engine.</param>
/// <param name="IsUp">Whether its database answers this relay.</param>
/// <param name="Partitions">Partitions that this process drains.</param>
/// <param name="RetryingKeys">Keys of which a row is tried again.</param>
/// <param name="DeadLetterKeys">Keys that wait behind a dead letter of the relay.</param>
/// <param name="BlockedTypes">Types that cannot be published.</param>
/// <param name="Outbox">What lies in its tables; null where another process looks.</param>
internal sealed record SourceReading(string Source, string Engine, bool IsUp, int Partitions, long RetryingKeys, long DeadLetterKeys, long BlockedTypes, OutboxReading? Outbox);
