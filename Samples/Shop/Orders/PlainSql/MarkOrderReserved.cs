using Dapper;
using Outbox.Consumers;
using Shop.Stock;

namespace Shop.Orders.PlainSql;

internal sealed class MarkOrderReserved : IMessageHandler<StockReserved>
{
    public async Task HandleAsync(StockReserved message, MessageContext context, CancellationToken cancellationToken)
    {
        var orders = await context.Transaction.Connection!.ExecuteAsync("UPDATE orders SET is_reserved = true WHERE id = @OrderId", message, context.Transaction);
        if (orders == 0)
            throw new InvalidOperationException($"There is no order {message.OrderId}.");
    }
}
