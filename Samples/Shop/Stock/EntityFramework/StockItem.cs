using System.ComponentModel.DataAnnotations;

namespace Shop.Stock.EntityFramework;

/// <summary>A thing on the shelf. These shelves never run empty.</summary>
internal sealed class StockItem
{
    [Key]
    [MaxLength(100)]
    public required string Sku { get; init; }

    public long Reserved { get; private set; }
}
