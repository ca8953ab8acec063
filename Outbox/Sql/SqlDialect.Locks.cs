namespace Outbox.Sql;

/// <content>Locks: leases whose tokens are checked where the data is.</content>
/// <remarks>
/// The token of a lock is in two rows. That of <c>leases</c> is renewed all the time; that of <c>fences</c> only changes when the lock has another holder,
/// so a transaction may keep it locked until it ends without holding up its own holder's renewal.
/// </remarks>
public abstract partial class SqlDialect
{
    /// <summary>Takes a free or expired lease, raises the fence of the same name, and returns its new token, or no row: @name, @owner, @milliseconds. It waits for transactions that are guarded by the token before.
    /// Where <see cref="AcquiresLockAtOnce"/> says no, it raises no fence: <see cref="RaiseFence"/> has to follow in the same transaction.</summary>
    internal abstract string AcquireLock { get; }

    /// <summary>Whether <see cref="AcquireLock"/> is all that it takes.</summary>
    internal virtual bool AcquiresLockAtOnce => true;

    /// <summary>What goes before a transaction of <see cref="AcquireLock"/>. Null where there is no such transaction.</summary>
    internal virtual string? PrepareAcquireLock => null;

    /// <summary>Ends the transaction that a failed <see cref="AcquireLock"/> may have left open. Null where it leaves none.</summary>
    internal virtual string? UndoAcquireLock => null;

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
