using Shop.Customers.EntityFramework;
using Shop.Hosting;

namespace Shop.Migrations.SqlServer;

/// <summary>Owns the migrations of Customers for SQL Server.</summary>
internal sealed class SqlServerCustomersContext(string? connectionString = null)
    : CustomersContext(ServiceMigrations.Options<SqlServerCustomersContext>(DatabaseEngine.SqlServer, connectionString));
