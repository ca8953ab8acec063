using System.Data;
using System.Data.Common;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>A branch of PostgreSQL: a transaction of the driver that is prepared instead of committed. From then on any session of the same role and database can finish it.</summary>
internal sealed class PreparingBranch(Participant participant, TransactionId id, DbConnection connection) : Branch(participant, id, connection)
{
    private DbTransaction? _transaction;
    private bool _mayBePrepared;

    public override DbTransaction Transaction => _transaction ?? throw new InvalidOperationException("The branch has not begun.");

    protected override async Task BeginAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken) =>
        _transaction = await Connection.BeginTransactionAsync(isolationLevel, cancellationToken).ConfigureAwait(false);

    public override async Task<BranchRecord> PrepareAsync(CancellationToken cancellationToken)
    {
        _mayBePrepared = true;
        await ExecuteAsync(Statements.Prepare(Id, Name), cancellationToken).ConfigureAwait(false);
        // Of a transaction that has failed, or that somebody has ended, it succeeds too. Only the list tells.
        return await CountsPreparedAsync(cancellationToken).ConfigureAwait(false)
            ? new BranchRecord(Name, BranchRecord.Yes)
            : new BranchRecord(Name, BranchRecord.No, "its transaction had failed or was ended, so nothing was prepared");
    }

    public override async Task CommitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ExecuteAsync(Statements.Commit(Id, Name), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsMissingBranch(exception))
        {
            // Recovery, or a person, was faster; which way tells the evidence.
            await CheckMarkerAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async Task RollbackAsync(CancellationToken cancellationToken)
    {
        // Nothing if the server has no transaction of the session any more.
        await _transaction!.DisposeAsync().ConfigureAwait(false);
        if (!_mayBePrepared)
            return;
        try
        {
            await ExecuteAsync(Statements.Rollback(Id, Name), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsMissingBranch(exception))
        {
            // It was not prepared, or is rolled back already. Or a person has committed it: then this transaction is not over, and recovery shows it with its evidence (G9).
            if (await Participant.HasMarkerAsync(Connection, Id, cancellationToken).ConfigureAwait(false))
                throw new InvalidOperationException("somebody has committed it by hand");
        }
    }
}
