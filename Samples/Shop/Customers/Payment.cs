using System.ComponentModel.DataAnnotations;

namespace Shop.Customers;

internal sealed class Payment
{
    [Key]
    public required Guid OrderId { get; init; }

    [MaxLength(100)]
    public required string CustomerId { get; init; }

    public required long Cents { get; init; }
}
