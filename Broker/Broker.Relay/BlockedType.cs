namespace Broker.Relay;

/// <summary>Rows of one type that cannot be published: one of them tries, the others wait.</summary>
internal sealed class BlockedType
{
    public required string Type { get; init; }

    public PriorityQueue<OutboxRow, long> Rows { get; } = new();

    public string Reason { get; private set; } = "";

    public int Failures { get; private set; }

    public long Since { get; private set; }

    public long RetryAt { get; set; }

    public OutboxRow? Probe { get; set; }

    /// <summary>For how long the broker has said, return after return, that no queue is bound. The time of an outage is not in it (G8).</summary>
    public TimeSpan Unroutable { get; private set; }

    private long? _lastReturn;

    /// <summary>Another failure.</summary>
    /// <param name="reason">What the broker says.</param>
    /// <param name="isUnroutable">Whether it says so of the type, not of itself.</param>
    /// <param name="time">The clock.</param>
    /// <param name="retry">When the next one may try, from the number of failures.</param>
    /// <param name="most">The longest time between two returns that can count: more of it passed without an answer.</param>
    public void Failed(string reason, bool isUnroutable, TimeProvider time, Func<int, long> retry, TimeSpan most)
    {
        var now = time.GetTimestamp();
        if (Failures++ == 0)
            Since = now;
        (Reason, Probe, RetryAt) = (reason, null, retry(Failures));
        if (isUnroutable && _lastReturn is { } last)
        {
            var elapsed = time.GetElapsedTime(last, now);
            Unroutable += elapsed < most ? elapsed : most;
        }
        _lastReturn = isUnroutable ? now : null;
    }

    /// <summary>A row begins to wait.</summary>
    public void Wait(OutboxRow row)
    {
        row.HeldFrom = Unroutable;
        Rows.Enqueue(row, row.Sequence);
    }

    /// <summary>A row that has waited before goes on waiting.</summary>
    public void WaitOn(OutboxRow row) => Rows.Enqueue(row, row.Sequence);
}
