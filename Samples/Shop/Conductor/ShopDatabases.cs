using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Outbox;
using Outbox.Consumers;
using Outbox.Inbox;
using Shop.Customers;
using Shop.Hosting;
using Shop.Orders;
using Shop.Stock;

namespace Shop.Conductor;

/// <summary>Looks into the services' databases from outside, through the same contexts.</summary>
internal sealed class ShopDatabases(RunPlan plan)
{
    public async Task<ShopState> ReadAsync(CancellationToken cancellationToken)
    {
        await using var orders = new OrdersContext(OptionsOf<OrdersContext>("orders"));
        await using var stock = new StockContext(OptionsOf<StockContext>("stock"));
        await using var customers = new CustomersContext(OptionsOf<CustomersContext>("customers"));
        return new ShopState
        {
            Orders = new OrdersState(
                Placed: await orders.Orders.LongCountAsync(cancellationToken),
                Reserved: await orders.Orders.LongCountAsync(o => o.IsReserved, cancellationToken),
                Units: await orders.Orders.SumAsync(o => (long)o.Quantity, cancellationToken),
                Cents: await orders.Orders.SumAsync(o => o.Cents, cancellationToken)),
            Stock = new StockState(
                Reservations: await stock.Reservations.LongCountAsync(cancellationToken),
                Units: await stock.Items.SumAsync(i => i.Reserved, cancellationToken)),
            Customers = new CustomersState(
                Orders: await customers.Accounts.SumAsync(a => (long)a.Orders, cancellationToken),
                Cents: await customers.Accounts.SumAsync(a => a.Cents, cancellationToken),
                OutOfOrder: await customers.Accounts.SumAsync(a => (long)a.OutOfOrder, cancellationToken)),
            Messaging = new Dictionary<string, MessagingState>
            {
                ["orders"] = await MessagingOfAsync(orders, cancellationToken),
                ["stock"] = await MessagingOfAsync(stock, cancellationToken),
                ["customers"] = await MessagingOfAsync(customers, cancellationToken),
            },
        };
    }

    /// <summary>Drops the databases of a server; files go with the run's folder.</summary>
    public async Task DeleteAsync()
    {
        SqliteConnection.ClearAllPools();
        NpgsqlConnection.ClearAllPools();
        if (plan.Options.Database == DatabaseEngine.Sqlite)
            return;
        foreach (var context in (DbContext[])[new OrdersContext(OptionsOf<OrdersContext>("orders")), new StockContext(OptionsOf<StockContext>("stock")), new CustomersContext(OptionsOf<CustomersContext>("customers"))])
        {
            await using (context)
                await context.Database.EnsureDeletedAsync();
        }
    }

    private static async Task<MessagingState> MessagingOfAsync(DbContext context, CancellationToken cancellationToken) => new(
        Applied: await context.Set<InboxMessage>().LongCountAsync(cancellationToken),
        Backlog: await context.Set<OutboxMessage>().LongCountAsync(cancellationToken),
        DeadLetters: await context.Set<DeadLetter>().LongCountAsync(cancellationToken));

    private DbContextOptions<TContext> OptionsOf<TContext>(string service)
        where TContext : DbContext
    {
        var builder = new DbContextOptionsBuilder<TContext>();
        builder.UseDatabase(plan.Of(service));
        return builder.Options;
    }
}
