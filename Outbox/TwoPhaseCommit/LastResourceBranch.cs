using System.Data;
using System.Data.Common;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>The branch of a database that does not prepare: its own commit holds its work and the decision on all.</summary>
internal sealed class LastResourceBranch(Participant participant, TransactionId id, DbConnection connection) : Branch(participant, id, connection)
{
    private DbTransaction? _transaction;

    public override DbTransaction Transaction => _transaction ?? throw new InvalidOperationException("The branch has not begun.");

    protected override async Task BeginAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken) =>
        _transaction = await Connection.BeginTransactionAsync(isolationLevel, cancellationToken).ConfigureAwait(false);

    public override Task<BranchRecord> PrepareAsync(CancellationToken cancellationToken) => throw new NotSupportedException($"Participant '{Name}' does not prepare.");

    /// <summary>Decides to commit by committing (G9). An exception means that the decision is not known.</summary>
    public async Task DecideAsync(DatabaseDecisionStore store, Decision decision, Func<ValueTask> beforeCommitAsync, CancellationToken cancellationToken)
    {
        await store.Insert(Connection, _transaction, decision).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        await beforeCommitAsync().ConfigureAwait(false);
        await _transaction!.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    public override Task CommitAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override async Task RollbackAsync(CancellationToken cancellationToken) => await _transaction!.DisposeAsync().ConfigureAwait(false);
}
