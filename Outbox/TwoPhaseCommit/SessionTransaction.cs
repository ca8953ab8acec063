using System.Data;
using System.Data.Common;

namespace Outbox.TwoPhaseCommit;

/// <summary>Stands for a transaction that was begun by a statement, so that what asks for a <see cref="DbTransaction"/> can be given one: <c>outbox.AddAsync(participant.Transaction, …)</c>.</summary>
/// <remarks>Its driver knows nothing of it, and refuses it as a command's transaction: commands of the connection run in it without one.</remarks>
internal sealed class SessionTransaction(DbConnection connection, IsolationLevel isolationLevel) : DbTransaction
{
    public override IsolationLevel IsolationLevel => isolationLevel;

    protected override DbConnection? DbConnection => IsOver ? null : connection;

    internal bool IsOver { get; set; }

    public override void Commit() => throw Refuse();

    public override void Rollback() => throw Refuse();

    private static InvalidOperationException Refuse() => new("A branch of a transaction over several databases does not end by itself. Call CommitAsync or RollbackAsync of the whole.");
}
