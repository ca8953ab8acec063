namespace Shop.Orders;

/// <summary>Takes orders. There are two: one on Entity Framework, one in plain SQL.</summary>
internal interface IOrderDesk
{
    /// <summary>Places an order and says so, both or neither. One that was placed before is returned as it is.</summary>
    Task<Order> PlaceAsync(PlaceOrder command, CancellationToken cancellationToken);

    Task<OrdersSummary> SummarizeAsync(CancellationToken cancellationToken);
}
