namespace Outbox;

/// <summary>Wakes relays when events were committed, so that they need not poll for them: the one of the same process at once, those of other processes by the doorbell. Thread-safe.</summary>
internal sealed class OutboxSignal
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _ring;
    private bool _isDrainedHere;

    /// <summary>Completes at the next wake-up. Take it before reading, or one in between is missed.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    /// <summary>Whether the relay of this process drains all partitions, so that nobody else has to hear of commits.</summary>
    public bool IsDrainedHere
    {
        get => Volatile.Read(ref _isDrainedHere);
        set => Volatile.Write(ref _isDrainedHere, value);
    }

    /// <summary>Rows were, or may soon be, committed by this process.</summary>
    public void Raise()
    {
        Wake();
        if (!IsDrainedHere)
            Volatile.Read(ref _ring)?.Invoke();
    }

    /// <summary>Wakes the relay of this process and nobody else.</summary>
    public void Wake() => Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>From now on commits are told to other processes too.</summary>
    /// <param name="ring">Must return at once and not throw. Null ends it.</param>
    public void RingWith(Action? ring) => Volatile.Write(ref _ring, ring);
}
