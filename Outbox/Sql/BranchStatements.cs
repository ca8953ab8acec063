using System.Data;
using System.Data.Common;
using Outbox.TwoPhaseCommit;

namespace Outbox.Sql;

/// <summary>The statements of a two-phase commit of one engine. They take no parameters on any engine, so ids are written into them: both are of our own making, and checked when they are made.</summary>
internal abstract class BranchStatements
{
    /// <summary>Whether a branch belongs to its session, which has to live until the second phase, and is begun by a statement: the driver's own transactions are of no use to it.</summary>
    public abstract bool AreOfTheSession { get; }

    /// <summary>Begins a branch, where that takes a statement.</summary>
    public virtual string Begin(TransactionId id, string branch) => throw new NotSupportedException("A branch of this engine is a transaction of its driver.");

    /// <summary>Sets the isolation level of the branch that is begun next; null for the engine's default.</summary>
    public virtual string? Isolate(IsolationLevel level) => null;

    /// <summary>Ends the work on a branch that was begun by a statement.</summary>
    public virtual string End(TransactionId id, string branch) => throw new NotSupportedException("A branch of this engine is a transaction of its driver.");

    /// <summary>Prepares a branch. That it succeeds may not mean that it is prepared: see <see cref="IsPrepared"/>.</summary>
    public abstract string Prepare(TransactionId id, string branch);

    /// <summary>Counts the branch among the prepared ones: @gid. Null where the answer to <see cref="Prepare"/> is enough.</summary>
    public virtual string? IsPrepared => null;

    /// <summary>Commits a prepared branch.</summary>
    public abstract string Commit(TransactionId id, string branch);

    /// <summary>Rolls a prepared branch back, or one that was begun by a statement.</summary>
    public abstract string Rollback(TransactionId id, string branch);

    /// <summary>The prepared branches, for <see cref="Read"/>.</summary>
    public abstract string List { get; }

    /// <summary>A row of <see cref="List"/>; null if it is none of ours. With the seconds since it was prepared, where the engine knows.</summary>
    public abstract (TransactionId Id, string Branch, double? Seconds)? Read(DbDataReader row);

    /// <summary>Ends the session that runs it, so that what it has prepared can be finished by another. A pool would reset it instead, and the branch would be neither here nor there.</summary>
    public virtual string? EndSession => null;
}
