namespace Shop.Stock;

internal static class StockCatalogue
{
    /// <summary>Pieces of each thing at the start. Together they are never more or less, free, reserved or sold.</summary>
    public const long PiecesEach = 100_000;

    /// <summary>Rare: who wants more of it at once is refused.</summary>
    public const string RareSku = "honey";

    public const int MostOfRare = 3;

    public static IReadOnlyList<string> Skus { get; } = ["apple", "bread", "cheese", "coffee", "egg", RareSku, "milk", "olive", "rice", "tea"];

    /// <summary>Why an order is refused; null if it is not.</summary>
    public static string? RefusalOf(ReserveGoods command) => command.Sku == RareSku && command.Quantity > MostOfRare ? $"nobody gets more than {MostOfRare} of {RareSku}" : null;
}
