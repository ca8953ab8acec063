namespace Outbox.Diagnostics;

/// <summary>What a coordinator's gauge shows.</summary>
/// <param name="Coordinator">The coordinator.</param>
/// <param name="OldestPrepared">How long the oldest branch has been prepared, zero if none is; null where another process looks.</param>
internal sealed record CoordinatorReading(string Coordinator, TimeSpan? OldestPrepared);
