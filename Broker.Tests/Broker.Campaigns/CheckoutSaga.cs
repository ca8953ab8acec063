using Outbox.Messages;
using Outbox.Sagas;

namespace Broker.Campaigns;

[MessageType("campaign.order-placed.v1")]
internal sealed record OrderPlaced(string Order, int Sku);

[MessageType("campaign.reserve-stock.v1")]
internal sealed record ReserveStock(string Order, int Sku);

[MessageType("campaign.stock-reserved.v1")]
internal sealed record StockReserved(string Order);

[MessageType("campaign.stock-refused.v1")]
internal sealed record StockRefused(string Order, string Reason);

[MessageType("campaign.release-stock.v1")]
internal sealed record ReleaseStock(string Order, int Sku);

[MessageType("campaign.take-payment.v1")]
internal sealed record TakePayment(string Order);

[MessageType("campaign.refund-payment.v1")]
internal sealed record RefundPayment(string Order);

[MessageType("campaign.ship-order.v1")]
internal sealed record ShipOrder(string Order, int Sku);

[MessageType("campaign.order-confirmed.v1")]
internal sealed record OrderConfirmed(string Order);

[MessageType("campaign.order-rejected.v1")]
internal sealed record OrderRejected(string Order, string Reason);

/// <summary>The checkout of the campaign. Its payment may take so short a time that kills let it run out.</summary>
internal sealed class CheckoutSaga : Saga<CheckoutSaga.State>
{
    public const string Name = "checkout";

    internal sealed record State(string Order, int Sku);

    public CheckoutSaga()
    {
        StartedBy<OrderPlaced>(m => m.Order, m => new State(m.Order, m.Sku));
        Step("stock").Send(s => new ReserveStock(s.Order, s.Sku)).OnReply<StockReserved>(m => m.Order).OnRefusal<StockRefused>(m => m.Order, m => m.Reason).Compensate(s => new ReleaseStock(s.Order, s.Sku));
        Step("payment").Send(s => new TakePayment(s.Order)).Within(TimeSpan.FromSeconds(12)).Compensate(s => new RefundPayment(s.Order));
        Step("shipping").Pivot().Send(s => new ShipOrder(s.Order, s.Sku));
        WhenCompleted(s => new OrderConfirmed(s.Order));
        WhenCompensated((s, reason) => new OrderRejected(s.Order, reason));
    }
}
