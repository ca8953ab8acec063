namespace Shop.Stock.PlainSql;

/// <summary>The service's own tables, the same as in the migrations. Those of the outbox come from <c>broker schema</c>.</summary>
internal static class StockTables
{
    public static string Script { get; } =
        $"""
        CREATE TABLE IF NOT EXISTS items (
            sku varchar(100) NOT NULL PRIMARY KEY,
            free bigint NOT NULL,
            reserved bigint NOT NULL,
            sold bigint NOT NULL
        );
        CREATE TABLE IF NOT EXISTS reservations (
            order_id char(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
            sku varchar(100) NOT NULL,
            quantity int NOT NULL
        );
        INSERT IGNORE INTO items (sku, free, reserved, sold) VALUES {string.Join(", ", StockCatalogue.Skus.Select(sku => $"('{sku}', {StockCatalogue.PiecesEach}, 0, 0)"))};
        """;
}
