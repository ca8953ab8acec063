namespace Outbox.Locks;

/// <summary>Locks on top of leases: the part that is the same wherever they are kept.</summary>
/// <remarks>
/// A process that dies anywhere leaves a lease that runs out. A reply that is lost after a lock was given leaves one that nobody uses: it runs out too.
/// One who gives up waiting while a request is on its way gives back what it may bring.
/// </remarks>
internal sealed class LeasedLocks : IDistributedLocks
{
    private readonly ILockStore _store;
    private readonly LockOptions _options;
    private readonly TimeProvider _time;
    private readonly LockTelemetry _telemetry;
    private readonly WaitingRoom _room = new();

    public LeasedLocks(ILockStore store, LockOptions options, TimeProvider time)
    {
        options.Validate();
        (_store, _options, _time, _telemetry) = (store, options, time, new LockTelemetry(store.Provider));
    }

    public async Task<IDistributedLock?> TryAcquireAsync(string name, TimeSpan wait, CancellationToken cancellationToken)
    {
        LockName.Check(name);
        if ((wait < TimeSpan.Zero && wait != Timeout.InfiniteTimeSpan) || wait.TotalMilliseconds >= uint.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(wait), wait, "The wait is zero, positive and below 49 days, or Timeout.InfiniteTimeSpan.");
        var asked = _time.GetTimestamp();
        if (await AskAsync(name, asked, cancellationToken).ConfigureAwait(false) is { } free)
            return free;
        if (wait == TimeSpan.Zero)
        {
            _telemetry.Busy();
            return null;
        }
        var held = await WaitAsync(name, asked, wait, cancellationToken).ConfigureAwait(false);
        if (held is null)
            _telemetry.TimedOut(_time.GetElapsedTime(asked));
        return held;
    }

    public Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken) => _store.ListAsync(cancellationToken);

    public async Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken)
    {
        LockName.Check(name);
        ArgumentException.ThrowIfNullOrWhiteSpace(thief);
        var isStolen = await _store.StealAsync(name, thief, cancellationToken).ConfigureAwait(false);
        _room.Wake(name);
        return isStolen;
    }

    private async Task<IDistributedLock?> WaitAsync(string name, long asked, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var limit = wait == Timeout.InfiniteTimeSpan ? new CancellationTokenSource() : new CancellationTokenSource(wait, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        Exception? trouble = null;
        try
        {
            using var place = await _room.EnterAsync(name, patience.Token).ConfigureAwait(false);
            var listening = await _store.ListenAsync(name, _options.Owner, place.Wake, patience.Token).ConfigureAwait(false);
            await using var _ = listening.ConfigureAwait(false);
            for (var attempt = 1; ; attempt++)
            {
                // Before asking: what is released after that wakes.
                var released = place.Next();
                try
                {
                    if (await AskAsync(name, asked, patience.Token).ConfigureAwait(false) is { } held)
                        return held;
                    trouble = null;
                }
                catch (Exception exception) when (_store.IsOutage(exception))
                {
                    // It may be back before the wait ends.
                    trouble = exception;
                }
                await released.WaitAsync(_store.PauseAfter(attempt), _time, patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                patience.Token.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return trouble is null ? null : throw trouble;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    private async Task<IDistributedLock?> AskAsync(string name, long asked, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // Not to be cancelled half-way: nobody would know of the lock that it has brought, and it would stay until its lease ends.
        var asking = _store.TryAcquireAsync(name, _options.Owner, _options.Lease, CancellationToken.None);
        try
        {
            if (await asking.WaitAsync(cancellationToken).ConfigureAwait(false) is not { } lease)
                return null;
            _telemetry.Acquired(_time.GetElapsedTime(asked));
            return new HeldLock(lease, name, _store.FenceOf(name), _telemetry, () => _room.Wake(name));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _ = GiveBackAsync(name, asking);
            throw;
        }
    }

    private async Task GiveBackAsync(string name, Task<Lease?> asking)
    {
        await ((Task)asking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (asking.IsCompletedSuccessfully && await asking.ConfigureAwait(false) is { } lease)
        {
            await lease.DisposeAsync().ConfigureAwait(false);
            _room.Wake(name);
        }
    }
}
