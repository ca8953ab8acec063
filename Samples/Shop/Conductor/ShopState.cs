namespace Shop.Conductor;

/// <summary>What the three databases say, read one after another.</summary>
internal sealed record ShopState
{
    public required OrdersState Orders { get; init; }

    public required StockState Stock { get; init; }

    public required CustomersState Customers { get; init; }

    /// <summary>Inbox, outbox and dead letters of each service.</summary>
    public required IReadOnlyDictionary<string, MessagingState> Messaging { get; init; }

    /// <summary>Messages that took effect.</summary>
    public long Applied => Messaging.Values.Sum(m => m.Applied);

    public long Backlog => Messaging.Values.Sum(m => m.Backlog);

    public long DeadLetters => Messaging.Values.Sum(m => m.DeadLetters);
}

/// <param name="Placed">Orders.</param>
/// <param name="Confirmed">Those that are shown as confirmed.</param>
/// <param name="Rejected">Those that are shown as rejected.</param>
/// <param name="Both">Those that are shown as both.</param>
/// <param name="Cents">What all of them cost.</param>
/// <param name="ConfirmedUnits">The pieces of those that are confirmed.</param>
/// <param name="ConfirmedCents">What those cost.</param>
/// <param name="Completed">Checkouts that are completed.</param>
/// <param name="Compensated">Checkouts of which nothing is left.</param>
internal sealed record OrdersState(long Placed, long Confirmed, long Rejected, long Both, long Cents, long ConfirmedUnits, long ConfirmedCents, long Completed, long Compensated);

internal sealed record StockState(long Reservations, long Free, long Reserved, long Sold);

internal sealed record CustomersState(long Orders, long Cents, long OutOfOrder, long Payments, long PaidCents);

/// <param name="Applied">Rows of the inbox: messages that took effect here.</param>
/// <param name="Backlog">Rows of the outbox: events that still wait for their confirm.</param>
/// <param name="DeadLetters">Messages set aside.</param>
internal sealed record MessagingState(long Applied, long Backlog, long DeadLetters);
