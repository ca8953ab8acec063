using Shop.Hosting;
using Shop.Orders.EntityFramework;

namespace Shop.Migrations.SqlServer;

/// <summary>Owns the migrations of Orders for SQL Server.</summary>
internal sealed class SqlServerOrdersContext(string? connectionString = null)
    : OrdersContext(ServiceMigrations.Options<SqlServerOrdersContext>(DatabaseEngine.SqlServer, connectionString));
