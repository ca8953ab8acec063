using Shop.Hosting;
using Shop.Stock.EntityFramework;

namespace Shop.Migrations.SqlServer;

/// <summary>Owns the migrations of Stock for SQL Server.</summary>
internal sealed class SqlServerStockContext(string? connectionString = null)
    : StockContext(ServiceMigrations.Options<SqlServerStockContext>(DatabaseEngine.SqlServer, connectionString));
