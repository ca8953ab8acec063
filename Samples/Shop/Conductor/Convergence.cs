using Outbox.Messages;
using Shop.Orders;
using Shop.Stock;

namespace Shop.Conductor;

/// <summary>What must be equal, and what must be zero, when every event has taken effect exactly where it should.</summary>
internal sealed class Convergence
{
    private static readonly MessageTypeRegistry Types = new();

    public Convergence(RunOptions options, ShopState state, MessageTap tap, long deadInQueues)
    {
        var (placed, reserved) = (Types.NameOf(typeof(OrderPlaced)), Types.NameOf(typeof(StockReserved)));
        Checks =
        [
            new("orders",
                ("placed by the clients", options.Orders),
                ("in Orders", state.Orders.Placed),
                ("reserved in Stock", state.Stock.Reservations),
                ("marked reserved in Orders", state.Orders.Reserved),
                ("counted in Customers", state.Customers.Orders)),
            new("cents", ("sum of the orders", state.Orders.Cents), ("sum of the customers' totals", state.Customers.Cents)),
            new("units", ("sum of the orders", state.Orders.Units), ("sum of the stock reserved", state.Stock.Units)),
            // An event is written in the transaction of its order or reservation (G1), so their rows count the events.
            new(placed,
                ("written by Orders", state.Orders.Placed),
                ("published, counted by the tap", tap.DistinctOf(placed)),
                ("applied by Stock", state.Messaging["stock"].Applied),
                ("applied by Customers", state.Messaging["customers"].Applied)),
            new(reserved,
                ("written by Stock", state.Stock.Reservations),
                ("published, counted by the tap", tap.DistinctOf(reserved)),
                ("applied by Orders", state.Messaging["orders"].Applied)),
            Zero("orders of a customer applied out of order", state.Customers.OutOfOrder),
            Zero("outbox rows left", state.Backlog),
            Zero("dead letters", state.DeadLetters + deadInQueues),
        ];
        Events = state.Orders.Placed + state.Stock.Reservations;
    }

    public IReadOnlyList<EqualNumbers> Checks { get; }

    /// <summary>Events written.</summary>
    public long Events { get; }

    public bool IsReached => Checks.All(c => c.AreEqual);

    private static EqualNumbers Zero(string of, long value) => new(of, ("counted", value), ("wanted", 0));
}
