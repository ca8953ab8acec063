using Microsoft.EntityFrameworkCore;
using Outbox.Consumers;
using Shop.Stock;

namespace Shop.Orders.EntityFramework;

internal sealed class MarkOrderReserved(OrdersContext db) : IMessageHandler<StockReserved>
{
    public async Task HandleAsync(StockReserved message, MessageContext context, CancellationToken cancellationToken)
    {
        var order = await db.Orders.SingleAsync(o => o.Id == message.OrderId, cancellationToken);
        order.MarkReserved();
    }
}
