using Microsoft.EntityFrameworkCore;
using Outbox.Consumers;

namespace Shop.Orders.EntityFramework;

/// <summary>Shows the customer how the checkout has ended.</summary>
internal sealed class MarkOrder(OrdersContext db) : IMessageHandler<OrderConfirmed>, IMessageHandler<OrderRejected>
{
    public async Task HandleAsync(OrderConfirmed message, MessageContext context, CancellationToken cancellationToken) =>
        (await db.Orders.SingleAsync(o => o.Id == message.OrderId, cancellationToken)).Confirm();

    public async Task HandleAsync(OrderRejected message, MessageContext context, CancellationToken cancellationToken) =>
        (await db.Orders.SingleAsync(o => o.Id == message.OrderId, cancellationToken)).Reject();
}
