using System.Data.Common;

namespace Outbox.Locks;

/// <summary>A lease, as users hold it.</summary>
internal sealed class HeldLock : IDistributedLock
{
    private readonly Lease _lease;
    private readonly string _fence;
    private readonly LockTelemetry? _telemetry;
    private readonly Action? _released;
    private int _disposed;
    private int _ended;

    /// <param name="lease">The lease.</param>
    /// <param name="name">The lock's name.</param>
    /// <param name="fence">The row that its token is checked against.</param>
    /// <param name="telemetry">Hears how it ends; null for a lease that is no lock of a user's.</param>
    /// <param name="released">Called when it is released.</param>
    public HeldLock(Lease lease, string name, string fence, LockTelemetry? telemetry, Action? released)
    {
        (_lease, Name, _fence, _telemetry, _released) = (lease, name, fence, telemetry, released);
        _ = lease.LostToken.UnsafeRegister(static held => ((HeldLock)held!).End(isLost: true), this);
    }

    public string Name { get; }

    public long Token => _lease.Token;

    public CancellationToken LostToken => _lease.LostToken;

    public async Task GuardAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        try
        {
            await Fence.PassAsync(transaction, _fence, Name, Token, cancellationToken).ConfigureAwait(false);
        }
        catch (LockLostException)
        {
            End(isLost: true);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        End(LostToken.IsCancellationRequested);
        await _lease.DisposeAsync().ConfigureAwait(false);
        _released?.Invoke();
    }

    private void End(bool isLost)
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
            _telemetry?.Ended(isLost);
    }
}
