namespace Outbox;

/// <summary>Wakes the relay of the same process when events were committed, so that it need not poll for them. Thread-safe.</summary>
internal sealed class OutboxSignal
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Raise() => Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>Completes at the next <see cref="Raise"/>. Take it before reading, or a signal in between is missed.</summary>
    public Task Next => Volatile.Read(ref _next).Task;
}
