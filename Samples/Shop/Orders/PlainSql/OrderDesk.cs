using System.Data;
using System.Data.Common;
using Dapper;
using MySqlConnector;
using Outbox;

namespace Shop.Orders.PlainSql;

/// <summary>An order and its event are written in one transaction, which is begun and committed here.</summary>
internal sealed class OrderDesk(DbDataSource database, IOutbox outbox) : IOrderDesk
{
    private const int MaxTries = 10;

    public async Task<Order> PlaceAsync(PlaceOrder command, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await TryPlaceAsync(command, cancellationToken);
            }
            catch (MySqlException exception) when (exception.IsTransient && tries < MaxTries)
            {
                // A deadlock's victim, for example: all of it is undone and can be done again. EnableRetryOnFailure does this for Entity Framework.
                await Task.Delay(Random.Shared.Next(5 * tries), cancellationToken);
            }
        }
    }

    public async Task<OrdersSummary> SummarizeAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleAsync<OrdersSummary>(
            "SELECT count(*) AS Orders, CAST(coalesce(sum(is_confirmed), 0) AS signed) AS Confirmed, CAST(coalesce(sum(is_rejected), 0) AS signed) AS Rejected, CAST(coalesce(sum(cents), 0) AS signed) AS Cents FROM orders");
    }

    private async Task<Order> TryPlaceAsync(PlaceOrder command, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        // What others have committed while we waited for the customer's row has to be seen.
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);

        // The row is locked from here to the commit: the customer's other orders wait, so that each gets a number of its own.
        await connection.ExecuteAsync("INSERT INTO numbers (customer_id, last) VALUES (@CustomerId, 1) ON DUPLICATE KEY UPDATE last = last + 1", command, transaction);

        // The client did not get our answer and asks again. The number that was just taken is given back with the transaction.
        if (await connection.QuerySingleOrDefaultAsync<Order>(
            "SELECT id AS Id, customer_id AS CustomerId, number AS Number, sku AS Sku, quantity AS Quantity, cents AS Cents, is_confirmed AS IsConfirmed, is_rejected AS IsRejected FROM orders WHERE id = @OrderId",
            command, transaction) is { } placed)
            return placed;

        var order = new Order
        {
            Id = command.OrderId,
            CustomerId = command.CustomerId,
            Number = await connection.QuerySingleAsync<int>("SELECT last FROM numbers WHERE customer_id = @CustomerId", command, transaction),
            Sku = command.Sku,
            Quantity = command.Quantity,
            Cents = command.Cents,
        };
        await connection.ExecuteAsync(
            "INSERT INTO orders (id, customer_id, number, sku, quantity, cents) VALUES (@Id, @CustomerId, @Number, @Sku, @Quantity, @Cents)", order, transaction);
        await outbox.AddAsync(
            transaction, new OrderPlaced(order.Id, order.CustomerId, order.Number, order.Sku, order.Quantity, order.Cents), partitionKey: order.CustomerId, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return order;
    }
}
