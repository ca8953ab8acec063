using System.ComponentModel.DataAnnotations;

namespace Shop.Stock.EntityFramework;

internal sealed class Reservation
{
    [Key]
    public required Guid OrderId { get; init; }

    [MaxLength(100)]
    public required string Sku { get; init; }

    public required int Quantity { get; init; }
}
