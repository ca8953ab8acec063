using System.Data.Common;
using Shop.Hosting;

namespace Shop.Conductor;

/// <summary>The server that a run makes its databases on.</summary>
internal static class DatabaseServer
{
    /// <summary>Where the server is if the command line does not say; null if nobody does.</summary>
    public static string? FromEnvironment(DatabaseEngine engine) =>
        VariableOf(engine) is { } variable && Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    /// <summary>What is wrong with a server's connection string, and what to do about it; null if nothing is.</summary>
    public static string? Check(DatabaseEngine engine, string? connectionString)
    {
        if (engine == DatabaseEngine.Sqlite)
            return null;
        var (name, example, howToGetOne) = engine switch
        {
            DatabaseEngine.SqlServer => ("sqlserver", "Server=127.0.0.1;User ID=sa;Password=…;TrustServerCertificate=true",
                "docker/compose.yaml brings one: docker compose -f docker/compose.yaml up -d --wait sqlserver"),
            DatabaseEngine.PostgreSql => ("postgresql", "Host=127.0.0.1;Username=postgres", "docker/servers.sh start postgres brings one, and eval \"$(docker/servers.sh env postgres)\" sets the variable"),
            _ => ("mysql", "Server=127.0.0.1;User ID=root;Password=…", "docker/servers.sh start mariadb brings one, and eval \"$(docker/servers.sh env mariadb)\" sets the variable"),
        };
        if (connectionString is null)
            return $"--database {name} needs a server: give --connection-string, for example '{example}', or set {VariableOf(engine)}. {howToGetOne}.";
        try
        {
            Builder(engine, connectionString);
            return null;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            // Not quoted: it may hold a password.
            return $"The connection string is not valid for --database {name}. It looks like '{example}'.";
        }
    }

    /// <summary>The same server, another database.</summary>
    public static string ConnectionStringOf(DatabaseEngine engine, string server, string database)
    {
        var builder = Builder(engine, server);
        builder["Database"] = database;
        return builder.ConnectionString;
    }

    public static Task CreateAsync(DatabaseEngine engine, string server, string database) => ExecuteAsync(engine, server, engine switch
    {
        // Readers see the last committed rows instead of waiting for writers. Entity Framework sets it too when it creates a database.
        DatabaseEngine.SqlServer => [$"CREATE DATABASE {database}", $"ALTER DATABASE {database} SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE"],
        DatabaseEngine.MySql => [$"CREATE DATABASE {database} CHARACTER SET utf8mb4"],
        _ => [$"CREATE DATABASE {database}"],
    });

    public static Task DropAsync(DatabaseEngine engine, string server, string database) => ExecuteAsync(engine, server, engine switch
    {
        DatabaseEngine.SqlServer => [$"IF DB_ID('{database}') IS NOT NULL ALTER DATABASE {database} SET SINGLE_USER WITH ROLLBACK IMMEDIATE", $"DROP DATABASE IF EXISTS {database}"],
        DatabaseEngine.PostgreSql => [$"DROP DATABASE IF EXISTS {database} WITH (FORCE)"],
        _ => [$"DROP DATABASE IF EXISTS {database}"],
    });

    private static string? VariableOf(DatabaseEngine engine) => engine switch
    {
        DatabaseEngine.SqlServer => "BROKER_TEST_SQLSERVER",
        DatabaseEngine.PostgreSql => "BROKER_TEST_POSTGRES",
        DatabaseEngine.MySql => "BROKER_TEST_MARIADB",
        _ => null,
    };

    private static DbConnectionStringBuilder Builder(DatabaseEngine engine, string connectionString)
    {
        var builder = engine.Driver().CreateConnectionStringBuilder()!;
        builder.ConnectionString = connectionString;
        return builder;
    }

    private static async Task ExecuteAsync(DatabaseEngine engine, string server, string[] statements)
    {
        await using var database = engine.Driver().CreateDataSource(server);
        await using var connection = await database.OpenConnectionAsync();
        foreach (var statement in statements)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = statement;
            // SQL Server copies and flushes files.
            command.CommandTimeout = 120;
            await command.ExecuteNonQueryAsync();
        }
    }
}
