using System.Data.Common;

namespace Outbox.Locks;

/// <summary>A lease, as users hold it.</summary>
internal sealed class HeldLock(Lease lease, string name, string fence, Action? released) : IDistributedLock
{
    private int _disposed;

    public string Name => name;

    public long Token => lease.Token;

    public CancellationToken LostToken => lease.LostToken;

    public Task GuardAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return Fence.PassAsync(transaction, fence, name, Token, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await lease.DisposeAsync().ConfigureAwait(false);
        released?.Invoke();
    }
}
