using System.Data.Common;

namespace Outbox.Locks;

/// <summary>A lock that is held, renewed in the background until it is disposed of or lost.</summary>
/// <remarks>
/// Holding it makes collisions rare, not impossible: a process that is stopped, swapped out or cut off for longer than its lease goes on believing that it holds the lock.
/// <see cref="GuardAsync"/> makes that harmless, inside the transaction that writes. For what is no database, send <see cref="Token"/> along and let the other side refuse lower ones.
/// Thread-safe.
/// </remarks>
public interface IDistributedLock : IAsyncDisposable
{
    /// <summary>Its name.</summary>
    string Name { get; }

    /// <summary>The fencing token: each holder's is higher than those of all holders before.</summary>
    long Token { get; }

    /// <summary>Cancelled as soon as the lease may have ended by this process's own monotonic clock, also when no reply comes, or another has been found to hold the lock.</summary>
    /// <remarks>What is registered with it runs on a thread of the pool, one callback after the other, the last one first. It may block and may dispose of this lock; what it throws is lost.</remarks>
    CancellationToken LostToken { get; }

    /// <summary>Makes a transaction fail if this lock has a newer holder, and keeps a newer holder from writing past it until the transaction has ended.</summary>
    /// <param name="transaction">The transaction that the protected writes are made in, of any database that has the outbox's tables. Call it before them: what fails then has changed nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="LockLostException">There is a newer holder. Roll the transaction back.</exception>
    /// <exception cref="ObjectDisposedException">The lock has been released.</exception>
    /// <remarks>
    /// One statement, on one row of the transaction's own database: of <c>fences</c>, or on PostgreSQL of <c>leases</c> if the lock is kept there. In the database that keeps the lock, a stale holder is refused from the moment that another has the lock;
    /// in others, from the first write that the newer holder guards there. Under REPEATABLE READ and stricter isolation the statement may fail as a serialization failure instead: try again as usual.
    /// </remarks>
    Task GuardAsync(DbTransaction transaction, CancellationToken cancellationToken = default);
}
