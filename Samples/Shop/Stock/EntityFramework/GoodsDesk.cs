using Microsoft.EntityFrameworkCore;
using Outbox.Consumers;

namespace Shop.Stock.EntityFramework;

/// <summary>None of it looks for copies: the inbox lets each call take effect once, and what is released was reserved.</summary>
internal sealed class GoodsDesk(StockContext db) : IMessageHandler<ReserveGoods>, IMessageHandler<ReleaseGoods>, IMessageHandler<SellGoods>
{
    public async Task HandleAsync(ReserveGoods message, MessageContext context, CancellationToken cancellationToken)
    {
        if (StockCatalogue.RefusalOf(message) is { } refusal)
        {
            await context.RefuseAsync(refusal, cancellationToken);
            return;
        }
        // Other orders reserve the same item at the same time: add in the database, where the row is locked, not to a copy read earlier.
        var items = await db.Items.Where(i => i.Sku == message.Sku)
            .ExecuteUpdateAsync(item => item.SetProperty(i => i.Free, i => i.Free - message.Quantity).SetProperty(i => i.Reserved, i => i.Reserved + message.Quantity), cancellationToken);
        if (items == 0)
            throw new RejectMessageException($"There is no item '{message.Sku}'.");
        db.Reservations.Add(new Reservation { OrderId = message.OrderId, Sku = message.Sku, Quantity = message.Quantity });
    }   // inbox row, reservation and the answer to the checkout are committed together when the handler returns

    public async Task HandleAsync(ReleaseGoods message, MessageContext context, CancellationToken cancellationToken)
    {
        await db.Items.Where(i => i.Sku == message.Sku)
            .ExecuteUpdateAsync(item => item.SetProperty(i => i.Free, i => i.Free + message.Quantity).SetProperty(i => i.Reserved, i => i.Reserved - message.Quantity), cancellationToken);
        await db.Reservations.Where(r => r.OrderId == message.OrderId).ExecuteDeleteAsync(cancellationToken);
    }

    public Task HandleAsync(SellGoods message, MessageContext context, CancellationToken cancellationToken) => db.Items.Where(i => i.Sku == message.Sku)
        .ExecuteUpdateAsync(item => item.SetProperty(i => i.Reserved, i => i.Reserved - message.Quantity).SetProperty(i => i.Sold, i => i.Sold + message.Quantity), cancellationToken);
}
