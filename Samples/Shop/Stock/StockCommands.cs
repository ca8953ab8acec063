using Outbox.Messages;

namespace Shop.Stock;

/// <summary>Asks Stock to put the goods of an order aside.</summary>
[MessageType("stock.reserve-goods.v1")]
internal sealed record ReserveGoods(Guid OrderId, string Sku, int Quantity);

/// <summary>Asks Stock to put them back.</summary>
[MessageType("stock.release-goods.v1")]
internal sealed record ReleaseGoods(Guid OrderId, string Sku, int Quantity);

/// <summary>Tells Stock that they are paid.</summary>
[MessageType("stock.sell-goods.v1")]
internal sealed record SellGoods(Guid OrderId, string Sku, int Quantity);
