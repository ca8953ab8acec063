namespace Outbox.Locks;

/// <summary>A held lease, renewed in the background, or together with others by whoever holds it, until it is disposed or lost.</summary>
/// <remarks>
/// A lease is for efficiency: its holder can sleep past its end. Safety comes from <see cref="Token"/>, checked by the statement that writes (G5).
/// Nobody waits for what a holder does when it hears of the loss: it may block, also on the end of this very lease, or throw.
/// One timer does all: it fires when a renewal is due, and, while one is on its way, at the deadline. A lease that is given up before costs no task and no thread.
/// </remarks>
internal sealed class Lease : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly ILeaseStore _leases;
    private readonly TimeSpan _duration;
    private readonly TimeProvider _time;
    private readonly bool _renews;
    private readonly CancellationTokenSource _lost = new();
    private readonly ITimer _timer;
    private CancellationTokenSource? _stop;
    private Task _renewing = Task.CompletedTask;
    private long _asked;
    private bool _isStopped;

    public Lease(ILeaseStore leases, string name, long token, TimeSpan duration, long asked, TimeProvider time, bool renews = true)
    {
        (_leases, Name, Token, _duration, _asked, _time, _renews) = (leases, name, token, duration, asked, time, renews);
        LostToken = _lost.Token;
        lock (_lock)
        {
            _timer = time.CreateTimer(static lease => ((Lease)lease!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Arm(renews ? duration / 3 : Remaining);
        }
    }

    public string Name { get; }

    /// <summary>The fencing token.</summary>
    public long Token { get; }

    /// <summary>Cancelled when the lease may have expired by the holder's own monotonic clock, or another has taken it.</summary>
    public CancellationToken LostToken { get; }

    // A tenth of the lease covers clocks that run at different speeds.
    private TimeSpan Remaining => (_duration * 0.9) - _time.GetElapsedTime(_asked);

    /// <summary>The lease has been extended in answer to a request that was sent at <paramref name="asked"/>.</summary>
    public void Extend(long asked)
    {
        lock (_lock)
        {
            if (_isStopped || _lost.IsCancellationRequested)
                return;
            _asked = asked;
            Arm(Remaining);
        }
    }

    /// <summary>Another has the lease.</summary>
    public void Lose()
    {
        lock (_lock)
        {
            // Calls nobody on this thread, so it may be within the lock, and the source is not disposed of yet.
            if (!_isStopped)
                _ = _lost.CancelAsync();
        }
    }

    /// <summary>Gives the lease up, so that another node can take it at once.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!await StopAsync().ConfigureAwait(false))
            return;
        // It has nothing that its end would free, and its callbacks may be running: this may be one of them.
        if (_lost.IsCancellationRequested)
            return;
        using (var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time))
        {
            try
            {
                await _leases.ReleaseAsync(Name, Token, limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is OperationCanceledException || _leases.IsOutage(exception))
            {
                // It expires by itself.
            }
        }
        _lost.Dispose();
    }

    /// <summary>Stops renewing and keeps the row as it is: what a killed process leaves behind, or a holder who renews several together.</summary>
    internal Task AbandonAsync() => StopAsync();

    /// <summary>Ends what goes on in the background. False if that was done before.</summary>
    private async Task<bool> StopAsync()
    {
        lock (_lock)
        {
            if (_isStopped)
                return false;
            _isStopped = true;
            _stop?.Cancel();
        }
        if (!_renewing.IsCompleted)
            await _renewing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _timer.DisposeAsync().ConfigureAwait(false);
        _stop?.Dispose();
        return true;
    }

    private void Arm(TimeSpan due) => _timer.Change(due > TimeSpan.Zero ? due : TimeSpan.Zero, Timeout.InfiniteTimeSpan);

    private void Fire()
    {
        lock (_lock)
        {
            if (_isStopped || _lost.IsCancellationRequested)
                return;
            if (_renews && Remaining > TimeSpan.Zero && _renewing.IsCompleted)
            {
                Arm(Remaining);
                _stop ??= new CancellationTokenSource();
                _renewing = Task.Run(() => RenewAsync(_stop.Token));
                return;
            }
            if (Remaining > TimeSpan.Zero)
                Arm(Remaining);
            else
                Lose();
        }
    }

    private async Task RenewAsync(CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop, LostToken);
        var asked = _time.GetTimestamp();
        var isMine = true;
        try
        {
            isMine = await _leases.RenewAsync(Name, Token, _duration, limit.Token).ConfigureAwait(false);
            if (isMine)
            {
                lock (_lock)
                    _asked = asked;
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException || _leases.IsOutage(exception))
        {
            // It is away. The deadline stands; the next round tries again.
        }
        if (!isMine)
        {
            Lose();
            return;
        }
        lock (_lock)
        {
            if (_isStopped || _lost.IsCancellationRequested)
                return;
            var next = _duration / 3;
            Arm(next < Remaining ? next : Remaining);
        }
    }
}
