using System.ComponentModel.DataAnnotations;

namespace Shop.Orders.EntityFramework;

/// <summary>Gives out one customer's order numbers without a gap.</summary>
internal sealed class CustomerNumbers
{
    [Key]
    [MaxLength(100)]
    public required string CustomerId { get; init; }

    /// <summary>Two orders that were given the same number cannot both be saved: the second one finds this changed.</summary>
    [ConcurrencyCheck]
    public int Last { get; private set; }

    public int Next() => ++Last;
}
