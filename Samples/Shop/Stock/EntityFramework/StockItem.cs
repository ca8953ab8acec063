using System.ComponentModel.DataAnnotations;

namespace Shop.Stock.EntityFramework;

/// <summary>A thing on the shelf: each piece is free, reserved or sold.</summary>
internal sealed class StockItem
{
    [Key]
    [MaxLength(100)]
    public required string Sku { get; init; }

    public long Free { get; init; }

    public long Reserved { get; private set; }

    public long Sold { get; private set; }
}
