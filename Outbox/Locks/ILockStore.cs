namespace Outbox.Locks;

/// <summary>One kind of lock: how a lock is taken, who has it, and how one hears that it is free. Waiting, renewing and guarding are the same for all (<see cref="LeasedLocks"/>).</summary>
internal interface ILockStore : ILeaseStore
{
    /// <summary>The kind of place, for metrics: the engine of a database, <c>Redis</c>, <c>etcd</c> or <c>memory</c>.</summary>
    string Provider { get; }

    /// <summary>The name of the row, of <c>fences</c> or on PostgreSQL of <c>leases</c>, that a lock's tokens are checked against. Tokens of another kind of lock count in another row, for they are no successors of each other.</summary>
    string FenceOf(string name);

    /// <summary>Takes a lock if it is free; null if another holds it.</summary>
    Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken);

    /// <summary>Calls back, as often as it likes, when a lock may have become free, until disposed of; and shows that this process waits.</summary>
    Task<IAsyncDisposable> ListenAsync(string name, string owner, Action released, CancellationToken cancellationToken);

    /// <summary>How long to wait before the lock is tried again, unless one hears that it is free.</summary>
    /// <param name="attempt">1, 2, 3 …</param>
    TimeSpan PauseAfter(int attempt);

    /// <summary>The locks that are held, by name.</summary>
    Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Takes a lock away from its holder, and leaves it free. False: nobody holds it.</summary>
    Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken);
}
