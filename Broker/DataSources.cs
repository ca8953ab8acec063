using System.Data.Common;
using Microsoft.Data.Sqlite;
using Npgsql;
using Outbox;
using Outbox.Sql;

namespace Broker;

/// <summary>The drivers of the engines: the only place of the worker that knows them.</summary>
internal static class DataSources
{
    public static string ExampleOf(SqlDialect dialect) =>
        dialect == SqlDialect.PostgreSql ? "Host=…;Port=5432;Username=…;Password=…;Database=…" : "Data Source=/var/lib/orders/orders.db";

    /// <summary>Checks a connection string without connecting.</summary>
    /// <exception cref="OutboxConfigurationException">It is not valid. The message does not quote it: it may hold a password.</exception>
    public static void Check(string path, SqlDialect dialect, string connectionString)
    {
        string? wrong = null;
        try
        {
            if (dialect == SqlDialect.PostgreSql)
            {
                var builder = new NpgsqlConnectionStringBuilder(connectionString);
                wrong = string.IsNullOrEmpty(builder.Host) ? "it names no Host" : builder.Port is < 1 or > 65_535 ? $"its Port is {builder.Port}; use 1 to 65535" : null;
            }
            else
            {
                var builder = new SqliteConnectionStringBuilder(connectionString);
                wrong = builder.DataSource.Length == 0 ? "it names no Data Source"
                    : builder.DataSource == ":memory:" || builder.Mode == SqliteOpenMode.Memory ? "a database in memory cannot be shared with its service; name a file" : null;
            }
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException)
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
    /// <param name="mayCreate">Whether a SQLite file that is missing is created; otherwise it counts as a database that is not there yet.</param>
    public static DbDataSource Create(SqlDialect dialect, string connectionString, bool mayCreate = false)
    {
        if (dialect == SqlDialect.PostgreSql)
        {
            var builder = new NpgsqlConnectionStringBuilder(connectionString);
            builder.ApplicationName ??= "broker";
            return NpgsqlDataSource.Create(builder);
        }
        var sqlite = new SqliteConnectionStringBuilder(connectionString);
        if (!mayCreate && sqlite.Mode == SqliteOpenMode.ReadWriteCreate)
            sqlite.Mode = SqliteOpenMode.ReadWrite;
        return SqliteFactory.Instance.CreateDataSource(sqlite.ConnectionString);
    }
}
