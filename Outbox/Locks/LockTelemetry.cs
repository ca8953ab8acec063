using Outbox.Diagnostics;

namespace Outbox.Locks;

/// <summary>What the locks of one place tell of themselves: by the kind of the place, never by a lock's name. Thread-safe.</summary>
/// <param name="provider">The kind: see <see cref="ILockStore.Provider"/>.</param>
internal sealed class LockTelemetry(string provider)
{
    private readonly KeyValuePair<string, object?> _provider = new("provider", provider);

    /// <summary>A lock was taken.</summary>
    public void Acquired(TimeSpan waited)
    {
        OutboxMetrics.LocksAcquired.Add(1, _provider);
        OutboxMetrics.LocksHeld.Add(1, _provider);
        OutboxMetrics.LockWait.Record(waited.TotalSeconds, _provider, new("outcome", "acquired"));
    }

    /// <summary>Another holds it, and this one does not wait.</summary>
    public void Busy() => OutboxMetrics.LocksRefused.Add(1, _provider, new("reason", "busy"));

    /// <summary>Another held it until the wait was over.</summary>
    public void TimedOut(TimeSpan waited)
    {
        OutboxMetrics.LocksRefused.Add(1, _provider, new("reason", "timed-out"));
        OutboxMetrics.LockWait.Record(waited.TotalSeconds, _provider, new("outcome", "timed-out"));
    }

    /// <summary>A lock is not held any more.</summary>
    public void Ended(bool isLost)
    {
        OutboxMetrics.LocksHeld.Add(-1, _provider);
        if (isLost)
            OutboxMetrics.LocksLost.Add(1, _provider);
    }
}
