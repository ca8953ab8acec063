using Shop.Customers.EntityFramework;
using Shop.Hosting;

namespace Shop.Migrations.Sqlite;

/// <summary>Owns the migrations of Customers for SQLite.</summary>
internal sealed class SqliteCustomersContext(string? connectionString = null)
    : CustomersContext(ServiceMigrations.Options<SqliteCustomersContext>(DatabaseEngine.Sqlite, connectionString));
