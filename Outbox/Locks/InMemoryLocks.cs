using System.Diagnostics.CodeAnalysis;

namespace Outbox.Locks;

/// <summary>Locks in the memory of this process: the twin of the real ones, for tests and for programs of one process.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "What it holds is memory alone.")]
public sealed class InMemoryLocks : IDistributedLocks
{
    private readonly LeasedLocks _locks;

    /// <summary>Creates them. Two instances know nothing of each other.</summary>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <param name="time">The clock; null for the system's.</param>
    public InMemoryLocks(LockOptions? options = null, TimeProvider? time = null) =>
        _locks = new LeasedLocks(new InMemoryLockStore(time ?? TimeProvider.System), options ?? new LockOptions(), time ?? TimeProvider.System);

    /// <inheritdoc/>
    public Task<IDistributedLock?> TryAcquireAsync(string name, TimeSpan wait, CancellationToken cancellationToken = default) => _locks.TryAcquireAsync(name, wait, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken = default) => _locks.ListAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken = default) => _locks.StealAsync(name, thief, cancellationToken);
}
