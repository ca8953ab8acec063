using Dapper;
using Outbox.Consumers;

namespace Shop.Stock.PlainSql;

/// <summary>None of it looks for copies: the inbox lets each call take effect once, and what is released was reserved.</summary>
internal sealed class GoodsDesk : IMessageHandler<ReserveGoods>, IMessageHandler<ReleaseGoods>, IMessageHandler<SellGoods>
{
    public async Task HandleAsync(ReserveGoods message, MessageContext context, CancellationToken cancellationToken)
    {
        if (StockCatalogue.RefusalOf(message) is { } refusal)
        {
            await context.RefuseAsync(refusal, cancellationToken);
            return;
        }
        var connection = context.Transaction.Connection!;
        var items = await connection.ExecuteAsync("UPDATE items SET free = free - @Quantity, reserved = reserved + @Quantity WHERE sku = @Sku", message, context.Transaction);
        if (items == 0)
            throw new RejectMessageException($"There is no item '{message.Sku}'.");
        await connection.ExecuteAsync("INSERT INTO reservations (order_id, sku, quantity) VALUES (@OrderId, @Sku, @Quantity)", message, context.Transaction);
    }   // inbox row, reservation and the answer to the checkout are committed together when the handler returns

    public async Task HandleAsync(ReleaseGoods message, MessageContext context, CancellationToken cancellationToken)
    {
        var connection = context.Transaction.Connection!;
        await connection.ExecuteAsync("UPDATE items SET free = free + @Quantity, reserved = reserved - @Quantity WHERE sku = @Sku", message, context.Transaction);
        await connection.ExecuteAsync("DELETE FROM reservations WHERE order_id = @OrderId", message, context.Transaction);
    }

    public Task HandleAsync(SellGoods message, MessageContext context, CancellationToken cancellationToken) =>
        context.Transaction.Connection!.ExecuteAsync("UPDATE items SET reserved = reserved - @Quantity, sold = sold + @Quantity WHERE sku = @Sku", message, context.Transaction);
}
