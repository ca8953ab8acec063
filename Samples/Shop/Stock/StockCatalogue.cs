namespace Shop.Stock;

internal static class StockCatalogue
{
    public static IReadOnlyList<string> Skus { get; } = ["apple", "bread", "cheese", "coffee", "egg", "honey", "milk", "olive", "rice", "tea"];
}
