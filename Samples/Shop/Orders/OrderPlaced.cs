using Outbox.Messages;

namespace Shop.Orders;

/// <summary>Said by Orders once for each order. Its partition key is the customer, so that a customer's orders arrive everywhere in the order of their numbers.</summary>
[MessageType("orders.order-placed.v1")]
internal sealed record OrderPlaced(Guid OrderId, string CustomerId, int Number, string Sku, int Quantity, long Cents);
