using Dapper;
using Outbox.Consumers;
using Shop.Orders;

namespace Shop.Customers.PlainSql;

/// <summary>Adding is not idempotent: a message applied twice would show in the totals. The inbox sees to that, not this handler.</summary>
internal sealed class AddOrderToAccount : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        var connection = context.Transaction.Connection!;
        var account = await connection.QuerySingleOrDefaultAsync<CustomerAccount>(
            "SELECT customer_id AS CustomerId, orders AS Orders, cents AS Cents, last_number AS LastNumber, out_of_order AS OutOfOrder FROM accounts WHERE customer_id = @CustomerId FOR UPDATE",
            message, context.Transaction) ?? new CustomerAccount { CustomerId = message.CustomerId };
        account.Add(message);
        await connection.ExecuteAsync(
            "REPLACE INTO accounts (customer_id, orders, cents, last_number, out_of_order) VALUES (@CustomerId, @Orders, @Cents, @LastNumber, @OutOfOrder)", account, context.Transaction);
    }
}
