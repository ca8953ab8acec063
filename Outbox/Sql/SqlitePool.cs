using System.Data.Common;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;

namespace Outbox.Sql;

/// <summary>A fault of SQLite's driver that no transaction is safe from.</summary>
/// <remarks>
/// The pool of Microsoft.Data.Sqlite before 10.0.13 may lend one connection to two who open at the same moment (https://github.com/dotnet/efcore/issues/39008). What one of them writes is then committed or rolled back by the other.
/// The pool came with version 6.
/// </remarks>
internal static class SqlitePool
{
    private static readonly Version FirstWithPool = new(6, 0);
    private static readonly Version FirstWithoutFault = new(10, 0, 13);

    /// <summary>Tells of it, if the connection comes from such a pool.</summary>
    /// <param name="connection">Any connection.</param>
    /// <param name="what">Whose it is, such as <c>Source 'orders'</c>.</param>
    /// <param name="logger">The log.</param>
    public static void Check(DbConnection connection, string what, ILogger logger)
    {
        if (connection.GetType() is { Namespace: "Microsoft.Data.Sqlite" } type && type.Assembly.GetName().Version is { } driver)
            Check(driver, connection.ConnectionString, what, logger);
    }

    internal static void Check(Version driver, string connectionString, string what, ILogger logger)
    {
        var parsed = new DbConnectionStringBuilder { ConnectionString = connectionString };
        var isPooled = !(parsed.TryGetValue("Pooling", out var pooling) && bool.TryParse(pooling.ToString(), out var isWanted) && !isWanted);
        if (isPooled && driver >= FirstWithPool && driver < FirstWithoutFault)
            Log.FaultySqlitePool(logger, what, driver.ToString(3));
    }
}
