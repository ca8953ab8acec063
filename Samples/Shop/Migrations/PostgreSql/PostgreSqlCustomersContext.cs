using Shop.Customers.EntityFramework;
using Shop.Hosting;

namespace Shop.Migrations.PostgreSql;

/// <summary>Owns the migrations of Customers for PostgreSQL.</summary>
internal sealed class PostgreSqlCustomersContext(string? connectionString = null)
    : CustomersContext(ServiceMigrations.Options<PostgreSqlCustomersContext>(DatabaseEngine.PostgreSql, connectionString));
