namespace Outbox.Locks;

/// <summary>A held lease, renewed in the background, or together with others by whoever holds it, until it is disposed or lost.</summary>
/// <remarks>
/// A lease is for efficiency: its holder can sleep past its end. Safety comes from <see cref="Token"/>, checked by the statement that writes (G5).
/// </remarks>
internal sealed class Lease : IAsyncDisposable
{
    private readonly ILeaseStore _leases;
    private readonly TimeSpan _duration;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _deadline;
    private readonly Task _renewing;

    public Lease(ILeaseStore leases, string name, long token, TimeSpan duration, long asked, TimeProvider time, bool renews = true)
    {
        (_leases, Name, Token, _duration, _time) = (leases, name, token, duration, time);
        LostToken = _lost.Token;
        _deadline = time.CreateTimer(static lost => ((CancellationTokenSource)lost!).Cancel(), _lost, Remaining(asked), Timeout.InfiniteTimeSpan);
        _renewing = renews ? RenewAsync() : Task.CompletedTask;
    }

    public string Name { get; }

    /// <summary>The fencing token.</summary>
    public long Token { get; }

    /// <summary>Cancelled when the lease may have expired by the holder's own monotonic clock, or another has taken it.</summary>
    public CancellationToken LostToken { get; }

    /// <summary>The lease has been extended in answer to a request that was sent at <paramref name="asked"/>.</summary>
    public void Extend(long asked)
    {
        if (!_stop.IsCancellationRequested && !_lost.IsCancellationRequested)
            _deadline.Change(Remaining(asked), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Another has the lease.</summary>
    public Task LoseAsync() => _stop.IsCancellationRequested ? Task.CompletedTask : _lost.CancelAsync();

    /// <summary>Gives the lease up, so that another node can take it at once.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _renewing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _deadline.DisposeAsync().ConfigureAwait(false);
        if (!_lost.IsCancellationRequested)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time);
            try
            {
                await _leases.ReleaseAsync(Name, Token, limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is OperationCanceledException || _leases.IsOutage(exception))
            {
                // It expires by itself.
            }
        }
        _stop.Dispose();
        _lost.Dispose();
    }

    /// <summary>Stops renewing and keeps the row as it is: what a killed process leaves behind, or a holder who renews several together.</summary>
    internal async Task AbandonAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _renewing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _deadline.DisposeAsync().ConfigureAwait(false);
    }

    private TimeSpan Remaining(long asked)
    {
        // A tenth of the lease covers clocks that run at different speeds.
        var left = (_duration * 0.9) - _time.GetElapsedTime(asked);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private async Task RenewAsync()
    {
        while (!_stop.IsCancellationRequested && !_lost.IsCancellationRequested)
        {
            await Task.Delay(_duration / 3, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_stop.IsCancellationRequested || _lost.IsCancellationRequested)
                return;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, LostToken);
            var asked = _time.GetTimestamp();
            try
            {
                if (!await _leases.RenewAsync(Name, Token, _duration, limit.Token).ConfigureAwait(false))
                {
                    await _lost.CancelAsync().ConfigureAwait(false);
                    return;
                }
                _deadline.Change(Remaining(asked), Timeout.InfiniteTimeSpan);
            }
            catch (Exception exception) when (_leases.IsOutage(exception))
            {
                // It is away. The deadline stands; the next round tries again.
            }
        }
    }
}
