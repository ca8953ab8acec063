using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Outbox.TwoPhaseCommit;

/// <summary>A database in a transaction over several: the connection and the transaction that its part of the work runs in. Not thread-safe; use it until the transaction is committed or rolled back, and end neither of the two yourself.</summary>
public sealed class EnlistedParticipant
{
    private readonly IServiceProvider? _services;
    private readonly List<AsyncServiceScope> _scopes = [];
    private readonly Branch _branch;

    internal EnlistedParticipant(Branch branch, IServiceProvider? services) => (_branch, _services) = (branch, services);

    /// <summary>The participant's name.</summary>
    public string Name => _branch.Name;

    /// <summary>An open connection. On MySQL and MariaDB all that runs on it is a part of the transaction; elsewhere what runs in <see cref="Transaction"/>.</summary>
    public DbConnection Connection => _branch.Connection;

    /// <summary>What <see cref="IOutbox.AddAsync(DbTransaction, object, Messages.PartitionKey, CancellationToken)"/> and commands are given. On MySQL and MariaDB the driver has no such transaction and its commands take none: use <see cref="CreateCommand"/>, or leave it out there.</summary>
    public DbTransaction Transaction => _branch.Transaction;

    /// <summary>A command in this transaction, on any engine.</summary>
    /// <param name="sql">Its text.</param>
    public DbCommand CreateCommand(string sql = "")
    {
        var command = Connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = Transaction is SessionTransaction ? null : Transaction;
        return command;
    }

    /// <summary>A context of the service's own class that works in this transaction. It is disposed with the transaction; call its <c>SaveChangesAsync</c> before the commit.</summary>
    /// <typeparam name="TContext">Registered with <c>AddDbContext</c>, for an engine that Entity Framework has a provider for.</typeparam>
    /// <exception cref="InvalidOperationException">The coordinator was not made by a container, or the container has no such context.</exception>
    public TContext CreateContext<TContext>()
        where TContext : DbContext
    {
        if (_services is null)
            throw new InvalidOperationException($"The coordinator knows no services, so it cannot make a {typeof(TContext).Name}. Register it with services.AddTwoPhaseCommit(…), or use Connection and Transaction.");
        var scope = _services.CreateAsyncScope();
        _scopes.Add(scope);
        var context = scope.ServiceProvider.GetRequiredService<TContext>();
        context.Database.SetDbConnection(Connection);
        context.Database.UseTransaction(Transaction);
        return context;
    }

    internal async ValueTask EndAsync()
    {
        foreach (var scope in _scopes)
            await scope.DisposeAsync().ConfigureAwait(false);
        _scopes.Clear();
    }
}
