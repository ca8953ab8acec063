using Shop.Hosting;
using Shop.Stock.EntityFramework;

namespace Shop.Migrations.PostgreSql;

/// <summary>Owns the migrations of Stock for PostgreSQL.</summary>
internal sealed class PostgreSqlStockContext(string? connectionString = null)
    : StockContext(ServiceMigrations.Options<PostgreSqlStockContext>(DatabaseEngine.PostgreSql, connectionString));
