using Outbox;
using Outbox.Messages;

namespace Broker.Tests.Docs;

// The code that docs/message-lifecycle.md shows of versions. DocumentationTests holds the two together.
public static class VersionExamples
{
    public static void Evolve(OutboxBuilder outbox) =>
        outbox
            .Upcast<OrderPlacedV1, OrderPlacedV2>(old => new OrderPlacedV2(old.OrderId, old.Sku, old.Quantity, Channel: "shop"))
            .Upcast<OrderPlacedV2, OrderPlaced>(old => new OrderPlaced(old.OrderId, [new Line(old.Sku, old.Quantity)], old.Channel))
            .Alias<OrderPlaced>("orders.placed.v3");

    [MessageType("orders.order-placed.v1")]
    public sealed record OrderPlacedV1(Guid OrderId, string Sku, int Quantity);

    [MessageType("orders.order-placed.v2")]
    public sealed record OrderPlacedV2(Guid OrderId, string Sku, int Quantity, string Channel);

    [MessageType("orders.order-placed.v3")]
    public sealed record OrderPlaced(Guid OrderId, IReadOnlyList<Line> Lines, string Channel);

    public sealed record Line(string Sku, int Quantity);
}
