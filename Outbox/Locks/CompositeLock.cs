using System.Data.Common;

namespace Outbox.Locks;

/// <summary>Several locks that are held together, and given up together.</summary>
public sealed class CompositeLock : IAsyncDisposable
{
    private readonly CancellationTokenSource _lost;

    internal CompositeLock(IReadOnlyList<IDistributedLock> locks)
    {
        Locks = locks;
        _lost = CancellationTokenSource.CreateLinkedTokenSource([.. locks.Select(l => l.LostToken)]);
        LostToken = _lost.Token;
    }

    /// <summary>The locks, in the order in which they were taken: that of their names.</summary>
    public IReadOnlyList<IDistributedLock> Locks { get; }

    /// <summary>Cancelled when one of them may be lost.</summary>
    public CancellationToken LostToken { get; }

    /// <summary>Guards a transaction by each of them; see <see cref="IDistributedLock.GuardAsync"/>.</summary>
    /// <exception cref="LockLostException">One of them has a newer holder.</exception>
    public async Task GuardAsync(DbTransaction transaction, CancellationToken cancellationToken = default)
    {
        // In one order, so that two transactions do not wait for each other.
        foreach (var held in Locks)
            await held.GuardAsync(transaction, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives all of them up.</summary>
    public async ValueTask DisposeAsync()
    {
        await ReleaseAsync(Locks).ConfigureAwait(false);
        _lost.Dispose();
    }

    internal static async Task ReleaseAsync(IReadOnlyList<IDistributedLock> locks)
    {
        foreach (var held in locks.Reverse())
            await held.DisposeAsync().ConfigureAwait(false);
    }
}
