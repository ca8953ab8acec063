namespace Outbox;

/// <summary>Wakes relays when events were committed, so that they need not poll for them: the one of the same process at once, those of other processes by the doorbell. Thread-safe.</summary>
internal sealed class OutboxSignal
{
    /// <summary>About as long as a transaction takes from its last insert to its commit.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(3);

    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private bool _isSoon;
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _ring;
    private bool _isDrainedHere;

    public OutboxSignal(TimeProvider? time = null) =>
        _timer = (time ?? TimeProvider.System).CreateTimer(static signal => ((OutboxSignal)signal!).Raise(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>Completes at the next wake-up. Take it before reading, or one in between is missed.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    /// <summary>Whether the relay of this process drains all partitions, so that nobody else has to hear of commits.</summary>
    public bool IsDrainedHere
    {
        get => Volatile.Read(ref _isDrainedHere);
        set => Volatile.Write(ref _isDrainedHere, value);
    }

    /// <summary>Rows were, or may have been, committed by this process.</summary>
    public void Raise()
    {
        lock (_lock)
        {
            if (_isSoon)
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _isSoon = false;
        }
        Wake();
        if (!IsDrainedHere)
            Volatile.Read(ref _ring)?.Invoke();
    }

    /// <summary>Rows were written, and nobody will tell of their commit. A look right now would be in vain, and in the way of one that is not; the relay then stays attentive for a while.</summary>
    public void RaiseSoon()
    {
        lock (_lock)
        {
            if (_isSoon)
                return;
            _isSoon = true;
            _timer.Change(Soon, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Wakes the relay of this process and nobody else.</summary>
    public void Wake() => Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>From now on commits are told to other processes too.</summary>
    /// <param name="ring">Must return at once and not throw. Null ends it.</param>
    public void RingWith(Action? ring) => Volatile.Write(ref _ring, ring);
}
