using System.Data.Common;
using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Outbox.Sql;

/// <summary>What an error of a database means. The only place that knows the engines' codes.</summary>
internal static partial class SqlErrors
{
    /// <summary>The same work may succeed at once if tried again: deadlock, serialization failure, busy.</summary>
    public static bool IsTransient(Exception exception) => Find(exception) switch
    {
        { SqlState: "40001" or "40P01" or "55P03" } => true,
        { } other => SqliteCode(other) is 5 or 6,
        null => false,
    };

    /// <summary>The database cannot be reached, is going down, or refuses connections for now. Nothing is wrong with the work.</summary>
    public static bool IsUnavailable(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is SocketException or IOException or TimeoutException or ObjectDisposedException)
                return true;
            if (e is not DbException database)
                continue;
            if (database.SqlState is { Length: 5 } state)
                // 08 connection, 57P0x shutdown, 53 resources, 3D000 no such database yet, 58 system, 25006 read-only (standby).
                return state[..2] is "08" or "53" or "58" || state is "57P01" or "57P02" or "57P03" or "57P05" or "3D000" or "25006";
            if (SqliteCode(database) is { } code)
                // 10 I/O error, 13 disk full, 14 cannot open, 8 read-only.
                return code is 8 or 10 or 13 or 14;
            // Npgsql reports a broken connection without a state.
            if (database.GetType().FullName is "Npgsql.NpgsqlException")
                return true;
        }
        return false;
    }

    /// <summary>A table is not there.</summary>
    public static bool IsMissingTable(Exception exception) => Find(exception) is { } e && (e.SqlState is "42P01" or "3F000" || (SqliteCode(e) == 1 && e.Message.Contains("no such table", StringComparison.Ordinal)));

    /// <summary>A column is not there: the tables are older or newer than this version.</summary>
    public static bool IsMissingColumn(Exception exception) => Find(exception) is { } e && (e.SqlState is "42703" || (SqliteCode(e) == 1 && e.Message.Contains("no such column", StringComparison.Ordinal)));

    /// <summary>The user or the password is wrong.</summary>
    public static bool IsAccessDenied(Exception exception) => Find(exception) is { SqlState: "28000" or "28P01" or "42501" };

    /// <summary>Something answers that does not speak the engine's protocol.</summary>
    public static bool IsForeignServer(Exception exception) => Find(exception) is { SqlState: null } e && e.Message.Contains("SSLRequest", StringComparison.Ordinal);

    /// <summary>The error came from a database's driver.</summary>
    public static bool IsOfDatabase(Exception exception) => Find(exception) is not null;

    /// <summary>The first line of an error's own words: the rest is for those who see the statement.</summary>
    public static string TextOf(Exception exception) => (Find(exception) ?? exception).Message.Split('\n', 2)[0].TrimEnd('\r', '.');

    private static DbException? Find(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is DbException found)
                return found;
        }
        return null;
    }

    private static int? SqliteCode(DbException exception)
    {
        if (exception.GetType().FullName != "Microsoft.Data.Sqlite.SqliteException")
            return null;
        var match = SqliteMessage().Match(exception.Message);
        return match.Success ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;
    }

    [GeneratedRegex("^SQLite Error ([0-9]+):")]
    private static partial Regex SqliteMessage();
}
