namespace Outbox;

/// <summary>Lets the first call through at once and, of those that follow soon, one after each interval: the last one is never lost. Thread-safe.</summary>
internal sealed class Throttle : IDisposable
{
    private readonly Action _action;
    private readonly TimeSpan _interval;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private State _state;

    public Throttle(TimeSpan interval, TimeProvider time, Action action)
    {
        (_interval, _action) = (interval, action);
        _timer = time.CreateTimer(static throttle => ((Throttle)throttle!).Rested(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private enum State
    {
        Idle,
        Resting,
        RestingAndCalled,
        Disposed,
    }

    public void Call()
    {
        lock (_lock)
        {
            if (_state == State.Resting)
                _state = State.RestingAndCalled;
            if (_state != State.Idle)
                return;
            Rest();
        }
        _action();
    }

    public void Dispose()
    {
        lock (_lock)
            _state = State.Disposed;
        _timer.Dispose();
    }

    private void Rested()
    {
        lock (_lock)
        {
            if (_state != State.RestingAndCalled)
            {
                if (_state == State.Resting)
                    _state = State.Idle;
                return;
            }
            Rest();
        }
        _action();
    }

    private void Rest()
    {
        _state = State.Resting;
        _timer.Change(_interval, Timeout.InfiniteTimeSpan);
    }
}
