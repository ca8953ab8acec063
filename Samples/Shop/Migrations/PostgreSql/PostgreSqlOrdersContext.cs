using Shop.Hosting;
using Shop.Orders.EntityFramework;

namespace Shop.Migrations.PostgreSql;

/// <summary>Owns the migrations of Orders for PostgreSQL.</summary>
internal sealed class PostgreSqlOrdersContext(string? connectionString = null)
    : OrdersContext(ServiceMigrations.Options<PostgreSqlOrdersContext>(DatabaseEngine.PostgreSql, connectionString));
