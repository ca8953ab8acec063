namespace Shop.Orders;

/// <summary>What a client sends to <c>POST /orders</c>.</summary>
internal sealed record PlaceOrder(Guid OrderId, string CustomerId, string Sku, int Quantity, long Cents);
