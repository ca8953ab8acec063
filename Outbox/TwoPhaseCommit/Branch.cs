using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>The part of a transaction in one database. Not thread-safe.</summary>
internal abstract class Branch(Participant participant, TransactionId id, DbConnection connection) : IAsyncDisposable
{
    private bool _isDisposed;

    public Participant Participant => participant;

    public string Name => participant.Name;

    public TransactionId Id => id;

    public DbConnection Connection => connection;

    /// <summary>What statements of the work run in.</summary>
    public abstract DbTransaction Transaction { get; }

    /// <summary>The statements of the protocol.</summary>
    protected BranchStatements Statements => participant.Dialect.Branches!;

    /// <summary>Opens a connection and begins. What it has opened is closed if it fails.</summary>
    public static async Task<Branch> BeginAsync(Participant participant, TransactionId id, IsolationLevel isolationLevel, CancellationToken cancellationToken)
    {
        var connection = await participant.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        Branch branch = participant.IsLastResource ? new LastResourceBranch(participant, id, connection)
            : participant.Dialect.Branches!.AreOfTheSession ? new SessionBranch(participant, id, connection, isolationLevel)
            : new PreparingBranch(participant, id, connection);
        try
        {
            await branch.BeginAsync(isolationLevel, cancellationToken).ConfigureAwait(false);
            // The evidence is a part of the work: it commits with it or not at all, whoever commits it.
            await connection.Command(participant.Dialect.InsertMarker, branch.Transaction).With("transaction_id", id.ToString()).With("branch", participant.Name).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            return branch;
        }
        catch (DbException exception) when (SqlErrors.IsMissingTable(exception))
        {
            await branch.AbandonAsync().ConfigureAwait(false);
            throw participant.TablesMissing(exception);
        }
        catch
        {
            await branch.AbandonAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Begins.</summary>
    protected abstract Task BeginAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken);

    /// <summary>Asks for the vote. An exception means that no answer came, or that it is no.</summary>
    public abstract Task<BranchRecord> PrepareAsync(CancellationToken cancellationToken);

    /// <summary>The second phase after a decision to commit. Returns once there is evidence that the branch has committed.</summary>
    public abstract Task CommitAsync(CancellationToken cancellationToken);

    /// <summary>Rolls back, whatever state the branch is in. An exception means that it may still be prepared.</summary>
    public abstract Task RollbackAsync(CancellationToken cancellationToken);

    /// <summary>Leaves the branch as it is, as the death of this process would, so that recovery can take over.</summary>
    public virtual ValueTask AbandonAsync() => DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        try
        {
            await CloseAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception) || exception is InvalidOperationException)
        {
            // The connection was broken; the server has noticed or will.
        }
    }

    protected virtual ValueTask CloseAsync() => connection.DisposeAsync();

    /// <summary>Runs a statement of the protocol, outside of what the driver knows of transactions.</summary>
    protected Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken) => connection.Command(sql).ExecuteAsync(cancellationToken);

    /// <summary>Fails unless the marker of the branch is there.</summary>
    protected async Task CheckMarkerAsync(CancellationToken cancellationToken)
    {
        if (!await participant.HasMarkerAsync(connection, id, cancellationToken).ConfigureAwait(false))
            throw new InvalidOperationException($"Participant '{participant.Name}' has not committed its branch of transaction {id}.");
    }

    protected async Task<bool> CountsPreparedAsync(CancellationToken cancellationToken) =>
        Convert.ToInt64(await connection.Command(Statements.IsPrepared!).With("gid", id.BranchId(participant.Name)).ScalarAsync(cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture) == 1;
}
