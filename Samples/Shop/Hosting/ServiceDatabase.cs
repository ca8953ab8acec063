using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Npgsql;

namespace Shop.Hosting;

/// <summary>The one place that knows the drivers of the engines.</summary>
internal static class ServiceDatabase
{
    private static readonly SqlitePatience Patience = new();

    public static void UseDatabase(this DbContextOptionsBuilder builder, ServiceSettings settings) => builder.UseDatabase(settings.Database, settings.ConnectionString);

    /// <param name="builder">The context's options.</param>
    /// <param name="engine">Any but MySQL.</param>
    /// <param name="connectionString">Null for a context that is only asked for its model.</param>
    public static DbContextOptionsBuilder UseDatabase(this DbContextOptionsBuilder builder, DatabaseEngine engine, string? connectionString) => engine switch
    {
        // A connection that breaks, or a deadlock's victim, is no reason to fail: the strategy does the whole unit of work again.
        DatabaseEngine.SqlServer => builder.UseSqlServer(connectionString, server => server.EnableRetryOnFailure()),
        DatabaseEngine.PostgreSql => builder.UseNpgsql(connectionString, server => server.EnableRetryOnFailure()),
        DatabaseEngine.Sqlite => builder.UseSqlite(connectionString).AddInterceptors(Patience),
        _ => throw new NotSupportedException($"Entity Framework 10 has no provider for {engine}; the shop uses plain SQL there."),
    };

    /// <summary>For plain SQL, without Entity Framework.</summary>
    public static DbDataSource CreateDataSource(this ServiceSettings settings) => settings.Database.Driver().CreateDataSource(settings.ConnectionString);

    public static DbProviderFactory Driver(this DatabaseEngine engine) => engine switch
    {
        DatabaseEngine.SqlServer => SqlClientFactory.Instance,
        DatabaseEngine.PostgreSql => NpgsqlFactory.Instance,
        DatabaseEngine.MySql => MySqlConnectorFactory.Instance,
        _ => SqliteFactory.Instance,
    };

    /// <summary>Closes the connections that the drivers keep for later, so that databases and files can be removed.</summary>
    public static void ClosePools()
    {
        SqlConnection.ClearAllPools();
        NpgsqlConnection.ClearAllPools();
        MySqlConnection.ClearAllPools();
        SqliteConnection.ClearAllPools();
    }
}
