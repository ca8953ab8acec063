namespace Outbox.Sql;

/// <content>Locks: leases whose tokens are checked where the data is.</content>
/// <remarks>
/// A guarded transaction keeps the token locked until it ends, and must not hold up its own holder's renewals, which go to the row of <c>leases</c>.
/// PostgreSQL can lock a row's key alone. On the others, and where the lock is kept elsewhere, the token is in a second row, of <c>fences</c>, that only changes when the lock has another holder.
/// </remarks>
public abstract partial class SqlDialect
{
    /// <summary>Takes a free or expired lease, and returns its new token, or no row: @name, @owner, @milliseconds. It waits for transactions that are guarded by the token before.
    /// It raises the fence of the same name as well, unless the lease is one (<see cref="ReadLease"/>), or <see cref="AcquiresLockAtOnce"/> says no: then <see cref="RaiseFence"/> has to follow in the same transaction.</summary>
    internal abstract string AcquireLock { get; }

    /// <summary>As <see cref="AcquireLock"/>, for a lease whose row is there, where that costs less: what most locks are. No row says nothing: then <see cref="AcquireLock"/> is asked. Null where there is no such statement.</summary>
    internal virtual string? RetakeLock => null;

    /// <summary>Whether <see cref="AcquireLock"/> is all that it takes.</summary>
    internal virtual bool AcquiresLockAtOnce => true;

    /// <summary>What goes before a transaction of <see cref="AcquireLock"/>. Null where there is no such transaction.</summary>
    internal virtual string? PrepareAcquireLock => null;

    /// <summary>Ends the transaction that a failed <see cref="AcquireLock"/> may have left open. Null where it leaves none.</summary>
    internal virtual string? UndoAcquireLock => null;

    /// <summary>Whether <see cref="AcquireLock"/> and <see cref="ReleaseLease"/> run on connections of their own, and so whether they leave nothing behind in a session.</summary>
    internal virtual bool KeepsLockConnections => true;

    /// <summary>Whether it is worth while to prepare statements that run all the time: <see cref="PreparedStatements"/>.</summary>
    internal virtual bool PreparesStatements => false;

    /// <summary>The token of a lease if it is not below @token, kept as it is until the transaction ends, while its renewals go on; else nothing: @name, @token. Null where that cannot be; then each lock of the database has a fence.</summary>
    internal virtual string? ReadLease => null;

    /// <summary>The token of a fence if it is not below @token, kept as it is until the transaction ends; else nothing: @name, @token. Null where only a write can keep it.</summary>
    internal abstract string? ReadFence { get; }

    /// <summary>Raises a fence to @token unless it is there or higher, and returns what it is now: @name, @token. Nobody else raises it until the transaction has ended.</summary>
    internal abstract string RaiseFence { get; }

    /// <summary>Takes a lease away from its holder and leaves it free: @name, @owner, @token.</summary>
    internal string StealLease => $"UPDATE leases SET owner = @owner, token = token + 1, expires_at = {Ended} WHERE name = @name AND token = @token";

    /// <summary>Deletes a lease whose token fences nothing: @name, @token.</summary>
    internal string DeleteLease { get; } = "DELETE FROM leases WHERE name = @name AND token = @token";

    /// <summary>The leases whose names are like @pattern. Columns: name, owner, token, seconds left, acquired_at.</summary>
    internal string ListLocks => $"SELECT name, owner, token, {SecondsUntil("expires_at")}, acquired_at FROM leases{WithoutWaiting} WHERE name LIKE @pattern ORDER BY name";

    /// <summary>Writes down that an operator took a lock away: @name, @actor, @reason.</summary>
    internal string RecordLockAction { get; } =
        "INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, action, actor, reason) VALUES (0, 'lock', @name, 'stolen', @actor, @reason)";

    /// <summary>When a lease that was given up ended.</summary>
    private protected abstract string Ended { get; }
}
