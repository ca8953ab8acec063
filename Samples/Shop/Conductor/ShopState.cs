namespace Shop.Conductor;

/// <summary>What the three databases say, read one after another.</summary>
internal sealed record ShopState
{
    public required OrdersState Orders { get; init; }

    public required StockState Stock { get; init; }

    public required CustomersState Customers { get; init; }

    /// <summary>Inbox, outbox and dead letters of each service.</summary>
    public required IReadOnlyDictionary<string, MessagingState> Messaging { get; init; }

    public long Applied => Messaging.Values.Sum(m => m.Applied);

    public long Backlog => Messaging.Values.Sum(m => m.Backlog);

    public long DeadLetters => Messaging.Values.Sum(m => m.DeadLetters);
}

internal sealed record OrdersState(long Placed, long Reserved, long Units, long Cents);

internal sealed record StockState(long Reservations, long Units);

internal sealed record CustomersState(long Orders, long Cents, long OutOfOrder);

/// <param name="Applied">Rows of the inbox: messages that took effect here.</param>
/// <param name="Backlog">Rows of the outbox: events that still wait for their confirm.</param>
/// <param name="DeadLetters">Messages set aside.</param>
internal sealed record MessagingState(long Applied, long Backlog, long DeadLetters);
