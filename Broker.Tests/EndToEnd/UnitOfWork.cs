using System.Data.Common;
using Broker.Tests.Support;
using Dapper;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>One transaction of a service, in one of the ways. Disposed without a commit, it leaves nothing.</summary>
internal abstract class UnitOfWork : IAsyncDisposable
{
    public static async Task<UnitOfWork> BeginAsync(Way way, IServiceProvider services, DbDataSource dataSource)
    {
        if (way is Way.SaveChanges or Way.EntityFrameworkTransaction)
        {
            var scope = services.CreateAsyncScope();
            var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
            return way == Way.SaveChanges ? new PlainSaveChanges(scope, context) : new ContextTransaction(scope, context, await context.Database.BeginTransactionAsync());
        }
        var connection = await dataSource.OpenConnectionAsync();
        return new ConnectionTransaction(connection, await connection.BeginTransactionAsync(), services.GetRequiredService<IOutbox>(), byDapper: way == Way.Dapper);
    }

    /// <summary>Adds an order and its event.</summary>
    public abstract Task AddAsync(string number);

    public abstract Task CommitAsync();

    public virtual Task RollbackAsync() => throw new NotSupportedException();

    public virtual Task SavepointAsync(string name) => throw new NotSupportedException();

    public virtual Task RollbackToAsync(string name) => throw new NotSupportedException();

    public abstract ValueTask DisposeAsync();

    private sealed class PlainSaveChanges(AsyncServiceScope scope, OrdersContext context) : UnitOfWork
    {
        public override Task AddAsync(string number)
        {
            context.Orders.Add(new Order { Number = number });
            context.Outbox().Add(new OrderPlaced(number));
            return Task.CompletedTask;
        }

        public override Task CommitAsync() => context.SaveChangesAsync();

        public override ValueTask DisposeAsync() => scope.DisposeAsync();
    }

    private sealed class ContextTransaction(AsyncServiceScope scope, OrdersContext context, IDbContextTransaction transaction) : UnitOfWork
    {
        public override async Task AddAsync(string number)
        {
            context.Orders.Add(new Order { Number = number });
            context.Outbox().Add(new OrderPlaced(number));
            await context.SaveChangesAsync();
        }

        public override Task CommitAsync() => transaction.CommitAsync();

        public override Task RollbackAsync() => transaction.RollbackAsync();

        public override Task SavepointAsync(string name) => transaction.CreateSavepointAsync(name);

        public override Task RollbackToAsync(string name) => transaction.RollbackToSavepointAsync(name);

        public override async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await scope.DisposeAsync();
        }
    }

    private sealed class ConnectionTransaction(DbConnection connection, DbTransaction transaction, IOutbox outbox, bool byDapper) : UnitOfWork
    {
        private const string Insert = "INSERT INTO orders (id, number) VALUES (@id, @number)";

        public override async Task AddAsync(string number)
        {
            var id = Guid.CreateVersion7();
            if (byDapper)
                await connection.ExecuteAsync(Insert, new { id, number }, transaction);
            else
                await connection.Command(Insert, transaction).With("id", id).With("number", number).ExecuteAsync(CancellationToken.None);
            await outbox.AddAsync(transaction, new OrderPlaced(number));
        }

        public override Task CommitAsync() => transaction.CommitAsync();

        public override Task RollbackAsync() => transaction.RollbackAsync();

        public override Task SavepointAsync(string name) => transaction.SaveAsync(name);

        public override Task RollbackToAsync(string name) => transaction.RollbackAsync(name);

        public override async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
