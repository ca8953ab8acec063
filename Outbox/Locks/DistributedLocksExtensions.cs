using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace Outbox.Locks;

/// <summary>The usual ways to take a lock, and to guard by it.</summary>
public static class DistributedLocksExtensions
{
    /// <summary>Takes a lock, however long that takes.</summary>
    /// <inheritdoc cref="IDistributedLocks.TryAcquireAsync"/>
    /// <returns>The lock.</returns>
    public static Task<IDistributedLock> AcquireAsync(this IDistributedLocks locks, string name, CancellationToken cancellationToken = default) =>
        AcquireAsync(locks, name, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Takes a lock, or fails if another holds it all the time.</summary>
    /// <inheritdoc cref="IDistributedLocks.TryAcquireAsync"/>
    /// <returns>The lock.</returns>
    /// <exception cref="TimeoutException">Another held it all the time.</exception>
    public static async Task<IDistributedLock> AcquireAsync(this IDistributedLocks locks, string name, TimeSpan wait, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(locks);
        return await locks.TryAcquireAsync(name, wait, cancellationToken).ConfigureAwait(false)
            ?? throw new TimeoutException($"Lock '{name}' was held by another for all of {wait}. 'broker locks list' shows by whom.");
    }

    /// <summary>Takes a lock if it is free at this moment.</summary>
    /// <inheritdoc cref="IDistributedLocks.TryAcquireAsync"/>
    /// <returns>The lock; null if another holds it.</returns>
    public static Task<IDistributedLock?> TryAcquireAsync(this IDistributedLocks locks, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(locks);
        return locks.TryAcquireAsync(name, TimeSpan.Zero, cancellationToken);
    }

    /// <summary>Takes several locks, all or none, always in the same order, so that two who want the same ones never wait for each other.</summary>
    /// <param name="locks">Where they are kept.</param>
    /// <param name="names">Their names, in any order; one that is named twice is taken once.</param>
    /// <param name="wait">How long to wait for all of them together.</param>
    /// <param name="cancellationToken">Ends the wait. Nothing is held then.</param>
    /// <returns>The locks; null if not all of them were to be had in time, and then none is held.</returns>
    public static async Task<CompositeLock?> TryAcquireAllAsync(this IDistributedLocks locks, IEnumerable<string> names, TimeSpan wait, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(locks);
        ArgumentNullException.ThrowIfNull(names);
        var began = TimeProvider.System.GetTimestamp();
        var held = new List<IDistributedLock>();
        try
        {
            foreach (var name in names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            {
                var left = wait == Timeout.InfiniteTimeSpan ? wait : wait - TimeProvider.System.GetElapsedTime(began);
                var next = await locks.TryAcquireAsync(name, left < TimeSpan.Zero && wait != Timeout.InfiniteTimeSpan ? TimeSpan.Zero : left, cancellationToken).ConfigureAwait(false);
                if (next is null)
                    return null;
                held.Add(next);
            }
            var composite = new CompositeLock([.. held]);
            held.Clear();
            return composite;
        }
        finally
        {
            await CompositeLock.ReleaseAsync(held).ConfigureAwait(false);
        }
    }

    /// <summary>Takes several locks, however long that takes; see <see cref="TryAcquireAllAsync"/>.</summary>
    /// <param name="locks">Where they are kept.</param>
    /// <param name="names">Their names, in any order.</param>
    /// <param name="cancellationToken">Ends the wait. Nothing is held then.</param>
    public static async Task<CompositeLock> AcquireAllAsync(this IDistributedLocks locks, IEnumerable<string> names, CancellationToken cancellationToken = default) =>
        (await TryAcquireAllAsync(locks, names, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false))!;

    /// <summary>Guards the transaction that a context is in; see <see cref="IDistributedLock.GuardAsync"/>.</summary>
    /// <param name="held">The lock.</param>
    /// <param name="context">The context. Begin its transaction first: <c>await db.Database.BeginTransactionAsync(cancellationToken)</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="LockLostException">There is a newer holder.</exception>
    /// <exception cref="InvalidOperationException">The context is in no transaction: the guard would end before the writes begin.</exception>
    public static Task GuardAsync(this IDistributedLock held, DbContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(held);
        ArgumentNullException.ThrowIfNull(context);
        var transaction = context.Database.CurrentTransaction
            ?? throw new InvalidOperationException($"{context.GetType().Name} is in no transaction, so lock '{held.Name}' can guard nothing. Begin one with 'await db.Database.BeginTransactionAsync(cancellationToken)' before the guard, and commit it after the writes.");
        return held.GuardAsync(transaction.GetDbTransaction(), cancellationToken);
    }
}
