using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>The unit of work around one handler: a transaction that takes the inbox row, the handler's changes and its events, or none of them.</summary>
internal abstract class ConsumerSession : IAsyncDisposable
{
    private readonly List<Action> _afterCommit = [];

    public abstract DbTransaction Transaction { get; }

    /// <summary>How much is to happen after the commit: what a rollback to a savepoint goes back to.</summary>
    public int Promised => _afterCommit.Count;

    /// <summary>Has something happen once the transaction is committed: what is counted or said of a try that was rolled back would be counted again with the next.</summary>
    public void AfterCommit(Action action) => _afterCommit.Add(action);

    /// <summary>Takes back what was promised since: its work is undone.</summary>
    public void TakeBack(int promised) => _afterCommit.RemoveRange(promised, _afterCommit.Count - promised);

    /// <summary>Keeps the promises. For the one who has committed.</summary>
    public void Committed()
    {
        foreach (var action in _afterCommit)
            action();
        _afterCommit.Clear();
    }

    public abstract Task SaveAsync(CancellationToken cancellationToken);

    /// <summary>Lets go of what the handlers so far have read and changed, so that the next one sees only what the database says.</summary>
    public abstract void Forget();

    public abstract Task CommitAsync(CancellationToken cancellationToken);

    public abstract ValueTask DisposeAsync();

    /// <summary>Begins a session on the scope's context, or on a connection of its own where the outbox has no context: the worker's, if one is given.</summary>
    public static async Task<ConsumerSession> BeginAsync(OutboxRegistration outbox, IServiceProvider scope, WorkerConnection? worker, CancellationToken cancellationToken)
    {
        if (outbox.ContextType is { } contextType)
        {
            var context = (DbContext)scope.GetRequiredService(contextType);
            var isolation = SqlDialect.Of(context.Database.GetDbConnection()).ConsumerIsolation;
            return new ContextSession(context, await context.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false));
        }
        var connection = worker?.Take();
        if (connection is null)
        {
            connection = await outbox.DataSource(scope).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            worker?.Begin();
        }
        try
        {
            return new ConnectionSession(connection, worker, await connection.BeginTransactionAsync(SqlDialect.Of(connection).ConsumerIsolation, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private sealed class ContextSession(DbContext context, IDbContextTransaction transaction) : ConsumerSession
    {
        public override DbTransaction Transaction { get; } = transaction.GetDbTransaction();

        public override Task SaveAsync(CancellationToken cancellationToken) => context.SaveChangesAsync(cancellationToken);

        public override void Forget() => context.ChangeTracker.Clear();

        public override Task CommitAsync(CancellationToken cancellationToken) => transaction.CommitAsync(cancellationToken);

        // The context itself is the scope's. Disposing an open transaction rolls it back.
        public override ValueTask DisposeAsync() => transaction.DisposeAsync();
    }

    private sealed class ConnectionSession(DbConnection connection, WorkerConnection? worker, DbTransaction transaction) : ConsumerSession
    {
        private bool _isCommitted;

        public override DbTransaction Transaction => transaction;

        public override Task SaveAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Forget()
        {
        }

        public override async Task CommitAsync(CancellationToken cancellationToken)
        {
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            _isCommitted = true;
        }

        public override async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync().ConfigureAwait(false);
            if (!_isCommitted || worker is null || !worker.TryKeep(connection))
                await connection.DisposeAsync().ConfigureAwait(false);
        }
    }
}
