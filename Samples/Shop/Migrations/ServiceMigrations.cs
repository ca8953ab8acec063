using Microsoft.EntityFrameworkCore;
using Shop.Hosting;
using Shop.Migrations.PostgreSql;
using Shop.Migrations.Sqlite;
using Shop.Migrations.SqlServer;

namespace Shop.Migrations;

/// <summary>Migrations differ from provider to provider, and Entity Framework tells them apart by their context: so each service has a context for each provider, used for nothing else.</summary>
internal static class ServiceMigrations
{
    /// <summary>Brings a service's database to the last migration. Whoever comes second waits for the first.</summary>
    public static async Task ApplyAsync(ServiceSettings settings, CancellationToken cancellationToken)
    {
        await using var context = ContextOf(settings.Service, settings.Database, settings.ConnectionString);
        await context.Database.MigrateAsync(cancellationToken);
    }

    private static DbContext ContextOf(string service, DatabaseEngine engine, string connectionString) => (service, engine) switch
    {
        ("orders", DatabaseEngine.SqlServer) => new SqlServerOrdersContext(connectionString),
        ("orders", DatabaseEngine.PostgreSql) => new PostgreSqlOrdersContext(connectionString),
        ("orders", DatabaseEngine.Sqlite) => new SqliteOrdersContext(connectionString),
        ("stock", DatabaseEngine.SqlServer) => new SqlServerStockContext(connectionString),
        ("stock", DatabaseEngine.PostgreSql) => new PostgreSqlStockContext(connectionString),
        ("stock", DatabaseEngine.Sqlite) => new SqliteStockContext(connectionString),
        ("customers", DatabaseEngine.SqlServer) => new SqlServerCustomersContext(connectionString),
        ("customers", DatabaseEngine.PostgreSql) => new PostgreSqlCustomersContext(connectionString),
        ("customers", DatabaseEngine.Sqlite) => new SqliteCustomersContext(connectionString),
        _ => throw new NotSupportedException($"There are no migrations of '{service}' for {engine}."),
    };

    internal static DbContextOptions<TContext> Options<TContext>(DatabaseEngine engine, string? connectionString)
        where TContext : DbContext
    {
        var builder = new DbContextOptionsBuilder<TContext>();
        builder.UseDatabase(engine, connectionString);
        return builder.Options;
    }
}
