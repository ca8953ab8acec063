using System.Data.Common;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using MySqlConnector;
using Npgsql;
using Outbox;
using Outbox.Sql;

namespace Broker;

/// <summary>The drivers of the engines: the only place of the worker that knows them.</summary>
internal static partial class DataSources
{
    public static string ExampleOf(SqlDialect dialect) => dialect.Name switch
    {
        "SqlServer" => "Server=…,1433;Database=…;User ID=…;Password=…",
        "PostgreSql" => "Host=…;Port=5432;Username=…;Password=…;Database=…",
        "MySql" => "Server=…;Port=3306;User ID=…;Password=…;Database=…",
        _ => "Data Source=/var/lib/orders/orders.db",
    };

    /// <summary>Checks a connection string without connecting.</summary>
    /// <exception cref="OutboxConfigurationException">It is not valid. The message does not quote it: it may hold a password.</exception>
    public static void Check(string path, SqlDialect dialect, string connectionString)
    {
        string? wrong = null;
        try
        {
            wrong = dialect.Name switch
            {
                "SqlServer" => Wrong(new SqlConnectionStringBuilder(connectionString)),
                "PostgreSql" => Wrong(new NpgsqlConnectionStringBuilder(connectionString)),
                "MySql" => Wrong(new MySqlConnectionStringBuilder(connectionString)),
                _ => Wrong(new SqliteConnectionStringBuilder(connectionString)),
            };
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException or KeyNotFoundException)
        {
            // The driver's own message may quote a part of the string, and after an unquoted semicolon that part is of the password.
            wrong = exception.Message.StartsWith("Couldn't set port", StringComparison.OrdinalIgnoreCase) ? "its value of 'port' is no number from 1 to 65535" : "it holds an unknown keyword, a value that does not fit its keyword, or a part without '='";
        }
        if (wrong is not null)
            throw new OutboxConfigurationException($"{path}:ConnectionString is not valid for {dialect}: {wrong}. It looks like '{ExampleOf(dialect)}'.");
    }

    /// <summary>Makes the data source. It connects when it is first used.</summary>
    /// <param name="dialect">The engine.</param>
    /// <param name="connectionString">A checked connection string.</param>
    /// <param name="connections">Most connections that a relay uses to drain through it.</param>
    /// <param name="mayCreate">Whether a SQLite file that is missing is created; otherwise it counts as a database that is not there yet.</param>
    /// <param name="applicationName">How its connections are named on the server, where the connection string does not say.</param>
    public static DbDataSource Create(SqlDialect dialect, string connectionString, int connections = 0, bool mayCreate = false, string applicationName = "broker")
    {
        // And some for the leases and for those who look.
        connections += 10;
        switch (dialect.Name)
        {
            case "SqlServer":
                var sqlServer = new SqlConnectionStringBuilder(connectionString) { MultipleActiveResultSets = false };
                if (sqlServer.ApplicationName == new SqlConnectionStringBuilder().ApplicationName)
                    sqlServer.ApplicationName = applicationName;
                sqlServer.MaxPoolSize = Math.Max(sqlServer.MaxPoolSize, connections);
                return SqlClientFactory.Instance.CreateDataSource(sqlServer.ConnectionString);
            case "PostgreSql":
                var postgreSql = new NpgsqlConnectionStringBuilder(connectionString);
                postgreSql.ApplicationName ??= applicationName;
                postgreSql.MaxPoolSize = Math.Max(postgreSql.MaxPoolSize, connections);
                // A batch is a megabyte and more; with the driver's 8 KiB it would be read in over a hundred turns of the thread pool.
                if (postgreSql.ReadBufferSize == new NpgsqlConnectionStringBuilder().ReadBufferSize)
                    postgreSql.ReadBufferSize = 256 * 1024;
                return NpgsqlDataSource.Create(postgreSql);
            case "MySql":
                var mySql = new MySqlConnectionStringBuilder(connectionString);
                if (mySql.ApplicationName.Length == 0)
                    mySql.ApplicationName = applicationName;
                mySql.MaximumPoolSize = Math.Max(mySql.MaximumPoolSize, (uint)connections);
                return new MySqlDataSource(mySql.ConnectionString);
            default:
                var sqlite = new SqliteConnectionStringBuilder(connectionString);
                if (!mayCreate && sqlite.Mode == SqliteOpenMode.ReadWriteCreate)
                    sqlite.Mode = SqliteOpenMode.ReadWrite;
                return SqliteFactory.Instance.CreateDataSource(sqlite.ConnectionString);
        }
    }

    private static string? Wrong(SqlConnectionStringBuilder builder) => builder.DataSource.Length == 0 ? "it names no Server"
        : HostAndPort().IsMatch(builder.DataSource) ? "SQL Server wants a comma before the port: 'Server=host,1433'"
        : builder.DataSource.Split(',') is [_, var port] && !(uint.TryParse(port, NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var number) && WrongPort(number) is null) ? "its Server has no port from 1 to 65535 after the comma"
        : builder.InitialCatalog.Length == 0 ? "it names no Database" : null;

    private static string? Wrong(NpgsqlConnectionStringBuilder builder) => string.IsNullOrEmpty(builder.Host) ? "it names no Host" : WrongPort(builder.Port);

    private static string? Wrong(MySqlConnectionStringBuilder builder) => builder.Server.Length == 0 ? "it names no Server" : builder.Database.Length == 0 ? "it names no Database" : WrongPort(builder.Port);

    private static string? Wrong(SqliteConnectionStringBuilder builder) => builder.DataSource.Length == 0 ? "it names no Data Source"
        : builder.DataSource == ":memory:" || builder.Mode == SqliteOpenMode.Memory ? "a database in memory cannot be shared with its service; name a file" : null;

    private static string? WrongPort(long port) => port is < 1 or > 65_535 ? $"its Port is {port}; use 1 to 65535" : null;

    [GeneratedRegex(@"^([a-z]+:)?[^:,\\]+:[0-9]+$", RegexOptions.IgnoreCase)]
    private static partial Regex HostAndPort();
}
