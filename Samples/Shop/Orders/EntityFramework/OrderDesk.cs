using Microsoft.EntityFrameworkCore;
using Outbox;

namespace Shop.Orders.EntityFramework;

/// <summary>An order and its event are saved together, or neither is.</summary>
internal sealed class OrderDesk(OrdersContext db) : IOrderDesk
{
    private const int MaxTries = 50;

    public async Task<Order> PlaceAsync(PlaceOrder command, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await TryPlaceAsync(command, cancellationToken);
            }
            catch (DbUpdateException) when (tries < MaxTries)
            {
                // Somebody else was given the customer's number, or the client sent this order twice at once. A second look tells.
                db.ChangeTracker.Clear();
                await Task.Delay(Random.Shared.Next(5 * Math.Min(tries, 10)), cancellationToken);
            }
        }
    }

    public async Task<OrdersSummary> SummarizeAsync(CancellationToken cancellationToken) => new(
        Orders: await db.Orders.LongCountAsync(cancellationToken),
        Confirmed: await db.Orders.LongCountAsync(o => o.IsConfirmed, cancellationToken),
        Rejected: await db.Orders.LongCountAsync(o => o.IsRejected, cancellationToken),
        Cents: await db.Orders.SumAsync(o => o.Cents, cancellationToken));

    private async Task<Order> TryPlaceAsync(PlaceOrder command, CancellationToken cancellationToken)
    {
        // The client did not get our answer and asks again.
        if (await db.Orders.FindAsync([command.OrderId], cancellationToken) is { } placed)
            return placed;

        var numbers = await db.Numbers.FindAsync([command.CustomerId], cancellationToken)
            ?? db.Numbers.Add(new CustomerNumbers { CustomerId = command.CustomerId }).Entity;
        var order = new Order
        {
            Id = command.OrderId,
            CustomerId = command.CustomerId,
            Number = numbers.Next(),
            Sku = command.Sku,
            Quantity = command.Quantity,
            Cents = command.Cents,
        };
        db.Orders.Add(order);
        db.Outbox().Add(new OrderPlaced(order.Id, order.CustomerId, order.Number, order.Sku, order.Quantity, order.Cents), partitionKey: order.CustomerId);
        await db.SaveChangesAsync(cancellationToken);
        return order;
    }
}
