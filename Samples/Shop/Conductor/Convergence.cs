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
        var (placed, confirmed, rejected) = (Types.NameOf(typeof(OrderPlaced)), Types.NameOf(typeof(OrderConfirmed)), Types.NameOf(typeof(OrderRejected)));
        Checks =
        [
            new("orders",
                ("placed by the clients", options.Orders),
                ("in Orders", state.Orders.Placed),
                ("counted in Customers", state.Customers.Orders),
                ("confirmed or rejected in Orders", state.Orders.Confirmed + state.Orders.Rejected),
                ("checkouts that have ended", state.Orders.Completed + state.Orders.Compensated)),
            new("confirmed orders",
                ("in Orders", state.Orders.Confirmed),
                ("completed checkouts", state.Orders.Completed),
                ("payments in Customers", state.Customers.Payments),
                ("reservations in Stock", state.Stock.Reservations)),
            new("cents", ("sum of the orders", state.Orders.Cents), ("sum of the customers' totals", state.Customers.Cents)),
            new("cents of confirmed orders", ("in Orders", state.Orders.ConfirmedCents), ("paid in Customers", state.Customers.PaidCents)),
            new("units sold", ("of confirmed orders", state.Orders.ConfirmedUnits), ("in Stock", state.Stock.Sold)),
            new("units in Stock", ("at the start", StockCatalogue.Skus.Count * StockCatalogue.PiecesEach), ("free, reserved and sold", state.Stock.Free + state.Stock.Reserved + state.Stock.Sold)),
            // An event is written in the transaction of its order, or of its checkout's end (G1), so their rows count the events.
            new(placed,
                ("written by Orders", state.Orders.Placed),
                ("published, counted by the tap", tap.DistinctOf(placed)),
                ("applied by Customers", state.Messaging["customers"].Applied)),
            new("the end of a checkout",
                ("written by it", state.Orders.Completed + state.Orders.Compensated),
                ("published, counted by the tap", tap.DistinctOf(confirmed) + tap.DistinctOf(rejected)),
                ("applied by Orders", state.Messaging["orders"].Applied)),
            Zero("orders shown as confirmed and rejected", state.Orders.Both),
            Zero("units reserved for nobody", state.Stock.Reserved),
            Zero("orders of a customer applied out of order", state.Customers.OutOfOrder),
            Zero("outbox rows left", state.Backlog),
            Zero("dead letters", state.DeadLetters + deadInQueues),
        ];
        Events = tap.Distinct;
    }

    public IReadOnlyList<EqualNumbers> Checks { get; }

    /// <summary>Messages published.</summary>
    public long Events { get; }

    public bool IsReached => Checks.All(c => c.AreEqual);

    private static EqualNumbers Zero(string of, long value) => new(of, ("counted", value), ("wanted", 0));
}
