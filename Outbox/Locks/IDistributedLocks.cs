namespace Outbox.Locks;

/// <summary>Locks among processes, by name. Where they are kept is a matter of registration: the service's database, Redis, etcd, or this process's memory.</summary>
/// <remarks>
/// A lock belongs to whoever asked, not to a thread or a process: asking twice for one name waits for oneself. Who waits is not served in order of arrival, except within one process.
/// Thread-safe.
/// </remarks>
public interface IDistributedLocks
{
    /// <summary>Takes a lock, waiting for it if another holds it.</summary>
    /// <param name="name">1 to 100 characters without control characters or spaces at the ends, case-sensitive: <c>nightly-settlement</c>.</param>
    /// <param name="wait">How long to wait; zero = not at all, <see cref="Timeout.InfiniteTimeSpan"/> = until cancelled.</param>
    /// <param name="cancellationToken">Ends the wait. Nothing is held then.</param>
    /// <returns>The lock; null if another held it all the time.</returns>
    Task<IDistributedLock?> TryAcquireAsync(string name, TimeSpan wait, CancellationToken cancellationToken = default);

    /// <summary>The locks that are held now, by name.</summary>
    Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken = default);

    /// <summary>Takes a lock away from its holder, for whatever reason a person has, and leaves it free. The holder's guarded writes fail as <see cref="IDistributedLock.GuardAsync"/> says; its <see cref="IDistributedLock.LostToken"/> is cancelled at its next renewal.</summary>
    /// <param name="name">The lock's name.</param>
    /// <param name="thief">Who does it, for people.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if nobody held it.</returns>
    Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken = default);
}
