using Dapper;
using Outbox;
using Outbox.Consumers;
using Shop.Orders;

namespace Shop.Stock.PlainSql;

internal sealed class ReserveStock(IOutbox outbox) : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        var connection = context.Transaction.Connection!;
        var items = await connection.ExecuteAsync("UPDATE items SET reserved = reserved + @Quantity WHERE sku = @Sku", message, context.Transaction);
        if (items == 0)
            throw new RejectMessageException($"There is no item '{message.Sku}'.");

        await connection.ExecuteAsync("INSERT INTO reservations (order_id, sku, quantity) VALUES (@OrderId, @Sku, @Quantity)", message, context.Transaction);
        await outbox.AddAsync(
            context.Transaction, new StockReserved(message.OrderId, message.CustomerId, message.Sku, message.Quantity), partitionKey: message.CustomerId, cancellationToken);
    }   // inbox row, reservation and event are committed together when the handler returns
}
