using System.Collections.Concurrent;

namespace Broker.Dashboard.Jobs;

/// <summary>Whether deferred messages become fewer. Thread-safe.</summary>
/// <param name="time">The clock.</param>
internal sealed class DeferredCounts(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, (long Fewest, long Since)> _counts = new(StringComparer.Ordinal);

    /// <summary>Takes a count, and tells whether it has been as high as this for so long.</summary>
    public bool IsStuck(string source, long count, TimeSpan after)
    {
        var now = time.GetTimestamp();
        // Fewer than ever since it began: it goes on, and the time begins anew.
        var (_, since) = _counts.AddOrUpdate(source, _ => (count, now), (_, before) => count < before.Fewest || before.Fewest == 0 ? (count, now) : before);
        return count > 0 && time.GetElapsedTime(since, now) >= after;
    }
}
