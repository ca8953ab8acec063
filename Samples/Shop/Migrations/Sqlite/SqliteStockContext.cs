using Shop.Hosting;
using Shop.Stock.EntityFramework;

namespace Shop.Migrations.Sqlite;

/// <summary>Owns the migrations of Stock for SQLite.</summary>
internal sealed class SqliteStockContext(string? connectionString = null)
    : StockContext(ServiceMigrations.Options<SqliteStockContext>(DatabaseEngine.Sqlite, connectionString));
