namespace Broker.Dashboard.Snapshots;

/// <summary>What the charts remember of a survey.</summary>
/// <param name="At">When it was.</param>
/// <param name="LastSequence">The last number that the outbox had given out.</param>
/// <param name="Backlog">What waited.</param>
/// <param name="IsEstimate">Whether that was too much to count: then two points do not tell what has left in between.</param>
internal readonly record struct SnapshotPoint(DateTimeOffset At, long LastSequence, long Backlog, bool IsEstimate = false);
