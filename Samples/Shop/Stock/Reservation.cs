using System.ComponentModel.DataAnnotations;

namespace Shop.Stock;

internal sealed class Reservation
{
    [Key]
    public required Guid OrderId { get; init; }

    public required string Sku { get; init; }

    public required int Quantity { get; init; }
}
