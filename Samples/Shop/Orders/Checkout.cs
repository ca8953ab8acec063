using Outbox.Messages;
using Outbox.Sagas;
using Shop.Customers;
using Shop.Stock;

namespace Shop.Orders;

/// <summary>Said by Orders when the goods of an order are sold and paid.</summary>
[MessageType("orders.order-confirmed.v1")]
internal sealed record OrderConfirmed(Guid OrderId);

/// <summary>Said by Orders when nothing of an order is left.</summary>
[MessageType("orders.order-rejected.v1")]
internal sealed record OrderRejected(Guid OrderId, string Reason);

/// <summary>What an order goes through after it was placed: goods are reserved, then it is paid, then they are sold. Who cannot says so, and what was done is undone.</summary>
internal sealed class Checkout : Saga<OrderPlaced>
{
    public const string Name = "checkout";

    public Checkout()
    {
        StartedBy<OrderPlaced>(order => order.OrderId, order => order);
        Step("stock")
            .Send(order => new ReserveGoods(order.OrderId, order.Sku, order.Quantity))
            .Compensate(order => new ReleaseGoods(order.OrderId, order.Sku, order.Quantity));
        Step("payment")
            .Send(order => new TakePayment(order.OrderId, order.CustomerId, order.Cents))
            .Compensate(order => new RefundPayment(order.OrderId))
            .Pivot();
        Step("sale")
            .Send(order => new SellGoods(order.OrderId, order.Sku, order.Quantity));
        WhenCompleted(order => new OrderConfirmed(order.OrderId));
        WhenCompensated((order, reason) => new OrderRejected(order.OrderId, reason));
    }
}
