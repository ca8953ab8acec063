using Microsoft.EntityFrameworkCore;
using Outbox;
using Outbox.Consumers;
using Shop.Orders;

namespace Shop.Stock.EntityFramework;

internal sealed class ReserveStock(StockContext db) : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        // Orders of other customers reserve the same item at the same time: add in the database, where the row is locked, not to a copy read earlier.
        var items = await db.Items.Where(i => i.Sku == message.Sku)
            .ExecuteUpdateAsync(item => item.SetProperty(i => i.Reserved, i => i.Reserved + message.Quantity), cancellationToken);
        if (items == 0)
            throw new RejectMessageException($"There is no item '{message.Sku}'.");

        db.Reservations.Add(new Reservation { OrderId = message.OrderId, Sku = message.Sku, Quantity = message.Quantity });
        db.Outbox().Add(new StockReserved(message.OrderId, message.CustomerId, message.Sku, message.Quantity), partitionKey: message.CustomerId);
    }   // inbox row, reservation and event are committed together when the handler returns
}
