using System.ComponentModel.DataAnnotations;
using Shop.Orders;

namespace Shop.Customers;

internal sealed class CustomerAccount
{
    [Key]
    [MaxLength(100)]
    public required string CustomerId { get; init; }

    public int Orders { get; private set; }

    public long Cents { get; private set; }

    public int LastNumber { get; private set; }

    /// <summary>Orders whose number did not follow the one before: overtaken, missing or doubled.</summary>
    public int OutOfOrder { get; private set; }

    public void Add(OrderPlaced order)
    {
        if (order.Number != LastNumber + 1)
            OutOfOrder++;
        LastNumber = order.Number;
        Orders++;
        Cents += order.Cents;
    }
}
