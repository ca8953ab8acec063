using Broker.Relay;

namespace Broker.Dashboard.Snapshots;

/// <summary>A source as it was seen last. Immutable: pages, tabs and metrics share it.</summary>
/// <param name="Source">The source.</param>
/// <param name="At">When it was asked last.</param>
/// <param name="Survey">How it stood; null if it has not answered.</param>
/// <param name="Trouble">Why it did not answer; null if it did.</param>
/// <param name="Since">Since when it has not answered; with no answer ever, since the first question.</param>
/// <param name="Letters">The last dead letters that wait for an operator, the newest first: a few.</param>
/// <param name="Points">The last 15 minutes, the oldest first.</param>
internal sealed record SourceSnapshot(
    DashboardSource Source, DateTimeOffset At, SourceSurvey? Survey, string? Trouble, DateTimeOffset Since, IReadOnlyList<DeadLetterDesk.Letter> Letters, IReadOnlyList<SnapshotPoint> Points)
{
    /// <summary>Over which time a rate is taken: shorter, and it jumps with each batch.</summary>
    private static readonly TimeSpan RateSpan = TimeSpan.FromSeconds(8);

    public string Name => Source.Name;

    /// <summary>Rows written a second, by the numbers that the outbox gave out; null while too little is known.</summary>
    public double? In => Rates?.In;

    /// <summary>Rows that left the outbox a second; null while too little is known.</summary>
    public double? Out => Rates?.Out;

    private (double In, double? Out)? Rates
    {
        get
        {
            if (Trouble is not null || Points.Count < 2)
                return null;
            var last = Points[^1];
            for (var i = Points.Count - 2; i >= 0; i--)
            {
                if (last.At - Points[i].At >= RateSpan || i == 0)
                    return Between(Points[i], last);
            }
            return null;
        }
    }

    /// <summary>The rates between two points. What was written and no longer waits has left; a number that was rolled back counts on both sides.</summary>
    public static (double In, double? Out)? Between(SnapshotPoint from, SnapshotPoint to)
    {
        var seconds = (to.At - from.At).TotalSeconds;
        if (seconds <= 0 || to.LastSequence < from.LastSequence)
            return null;
        var written = to.LastSequence - from.LastSequence;
        // An estimate goes by the numbers from the first row to the last, so it grows by what is written, whatever leaves in between.
        return (written / seconds, from.IsEstimate || to.IsEstimate ? null : Math.Max(0, written - (to.Backlog - from.Backlog)) / seconds);
    }
}
