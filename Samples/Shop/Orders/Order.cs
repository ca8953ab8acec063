using System.ComponentModel.DataAnnotations;

namespace Shop.Orders;

internal sealed class Order
{
    /// <summary>Chosen by the client, so that an order sent twice is still one order.</summary>
    public required Guid Id { get; init; }

    [MaxLength(100)]
    public required string CustomerId { get; init; }

    /// <summary>1, 2, 3 … for each customer.</summary>
    public required int Number { get; init; }

    [MaxLength(100)]
    public required string Sku { get; init; }

    public required int Quantity { get; init; }

    public required long Cents { get; init; }

    /// <summary>It is sold and paid.</summary>
    public bool IsConfirmed { get; private set; }

    /// <summary>Somebody has refused it, and nothing of it is left.</summary>
    public bool IsRejected { get; private set; }

    public void Confirm() => IsConfirmed = true;

    public void Reject() => IsRejected = true;
}
