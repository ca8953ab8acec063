using System.Threading.Tasks.Sources;

namespace Broker.Relay;

/// <summary>Lets one loop sleep until something has happened or a time has come, without a new object for each sleep. Anybody may set it; one loop waits.</summary>
/// <remarks>What happens while nobody sleeps ends the next sleep at once, so nothing is missed between looking and sleeping. A sleep may also end for nothing.</remarks>
internal sealed class Pulse : IValueTaskSource, IDisposable
{
    private const int Quiet = 0;
    private const int WasSet = 1;
    private const int IsWaiting = 2;

    private readonly ITimer _timer;
    private ManualResetValueTaskSourceCore<bool> _source;
    private int _state;

    public Pulse(TimeProvider time) => _timer = time.CreateTimer(static pulse => ((Pulse)pulse!).Set(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>Something has happened. The loop goes on elsewhere: whoever calls this may hold locks.</summary>
    public void Set() => Set(continuesHere: false);

    /// <summary>Something will have happened when the task has ended, in whatever way.</summary>
    public void SetAfter(Task task) =>
        task.ContinueWith(static (_, pulse) => ((Pulse)pulse!).SetHere(), this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    /// <summary>As <see cref="Set()"/>, and the loop goes on within the call: for callers that have nothing else to do.</summary>
    public void SetHere() => Set(continuesHere: true);

    /// <summary>Sleeps until the next <see cref="Set()"/>, at most for so long.</summary>
    public ValueTask WaitAsync(TimeSpan longest)
    {
        if (Interlocked.CompareExchange(ref _state, Quiet, WasSet) == WasSet)
            return ValueTask.CompletedTask;
        _source.Reset();
        _timer.Change(longest, Timeout.InfiniteTimeSpan);
        if (Interlocked.CompareExchange(ref _state, IsWaiting, Quiet) == Quiet)
            return new ValueTask(this, _source.Version);
        Volatile.Write(ref _state, Quiet);
        return ValueTask.CompletedTask;
    }

    public void Dispose() => _timer.Dispose();

    void IValueTaskSource.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => _source.OnCompleted(continuation, state, token, flags);

    private void Set(bool continuesHere)
    {
        if (Interlocked.CompareExchange(ref _state, WasSet, Quiet) != IsWaiting || Interlocked.CompareExchange(ref _state, Quiet, IsWaiting) != IsWaiting)
            return;
        // Whoever takes the state from waiting to quiet owns the source until the loop sleeps again.
        _source.RunContinuationsAsynchronously = !continuesHere;
        _source.SetResult(true);
    }
}
