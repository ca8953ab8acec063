using Shop.Hosting;
using Shop.Orders.EntityFramework;

namespace Shop.Migrations.Sqlite;

/// <summary>Owns the migrations of Orders for SQLite.</summary>
internal sealed class SqliteOrdersContext(string? connectionString = null)
    : OrdersContext(ServiceMigrations.Options<SqliteOrdersContext>(DatabaseEngine.Sqlite, connectionString));
