using System.Data;
using System.Data.Common;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>A branch of MySQL or MariaDB, by XA. Its connection is held until the second phase.</summary>
/// <remarks>
/// On MariaDB a prepared branch stays bound to its session, and a session that a pool has reset keeps it without being able to finish it: another's <c>XA COMMIT</c> then answers OK and commits nothing.
/// So the connection never goes back to its pool with a branch: its session is ended, which sets the branch free for others.
/// </remarks>
internal sealed class SessionBranch(Participant participant, TransactionId id, DbConnection connection, IsolationLevel isolationLevel) : Branch(participant, id, connection)
{
    private readonly SessionTransaction _transaction = new(connection, isolationLevel);
    private State _state;

    private enum State
    {
        New,
        Active,
        Ended,
        MayBePrepared,
        Over,
    }

    public override DbTransaction Transaction => _transaction;

    protected override async Task BeginAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken)
    {
        if (Statements.Isolate(isolationLevel) is { } set)
            await ExecuteAsync(set, cancellationToken).ConfigureAwait(false);
        _state = State.Active;
        await ExecuteAsync(Statements.Begin(Id, Name), cancellationToken).ConfigureAwait(false);
    }

    public override async Task<BranchRecord> PrepareAsync(CancellationToken cancellationToken)
    {
        await ExecuteAsync(Statements.End(Id, Name), cancellationToken).ConfigureAwait(false);
        _state = State.MayBePrepared;
        await ExecuteAsync(Statements.Prepare(Id, Name), cancellationToken).ConfigureAwait(false);
        return new BranchRecord(Name, BranchRecord.Yes);
    }

    public override async Task CommitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ExecuteAsync(Statements.Commit(Id, Name), cancellationToken).ConfigureAwait(false);
            Over();
        }
        catch (DbException exception) when (SqlErrors.IsMissingBranch(exception))
        {
            // Already committed, or still bound to another session: the answer is the same.
        }
        await CheckMarkerAsync(cancellationToken).ConfigureAwait(false);
        Over();
    }

    public override async Task RollbackAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_state == State.Active)
                await ExecuteAsync(Statements.End(Id, Name), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (!SqlErrors.IsUnavailable(exception))
        {
            // A deadlock has marked it for rollback only, or it never began.
        }
        try
        {
            await ExecuteAsync(Statements.Rollback(Id, Name), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsMissingBranch(exception))
        {
            // It is this session's own, so it is gone: rolled back when it failed to prepare.
        }
        Over();
    }

    protected override async ValueTask CloseAsync()
    {
        try
        {
            if (_state is not (State.New or State.Over) && Connection.State == ConnectionState.Open)
                await ExecuteAsync(Statements.EndSession!, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or InvalidOperationException)
        {
            // That its session has ended is what the server answers, if at all.
        }
        await Connection.DisposeAsync().ConfigureAwait(false);
    }

    private void Over() => (_state, _transaction.IsOver) = (State.Over, true);
}
