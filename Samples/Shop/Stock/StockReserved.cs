using Outbox.Messages;

namespace Shop.Stock;

/// <summary>Said by Stock once for each order that it has reserved the goods of. Its partition key is the customer again.</summary>
[MessageType("stock.stock-reserved.v1")]
internal sealed record StockReserved(Guid OrderId, string CustomerId, string Sku, int Quantity);
