using System.Data.Common;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.RegularExpressions;

namespace Outbox.Sql;

/// <summary>What an error of a database means. The only place that knows the engines' codes.</summary>
/// <remarks>PostgreSQL's are SQLSTATEs; SQL Server's and MySQL's are the servers' own numbers; SQLite's are its primary result codes.</remarks>
internal static partial class SqlErrors
{
    /// <summary>The same work may succeed at once if tried again: deadlock, serialization failure, lock time-out, busy. The transaction is rolled back, or must be.</summary>
    public static bool IsTransient(Exception exception) => Find(exception) is { } e && EngineOf(e) switch
    {
        // 1205 deadlock, 1222 lock time-out, 601 a row moved under a NOLOCK read, 1807 and 3958 and 396x versions and snapshots in conflict, 413xx and 41839 memory-optimized tables,
        // the rest say "rerun". Never -2: the client gave up waiting, and the work may have been done.
        Engine.SqlServer => Number(e) is 601 or 617 or 669 or 1203 or 1205 or 1221 or 1222 or 1807 or 3958 or 3960 or 3961 or 3966 or 9515 or 10922 or 41301 or 41302 or 41305 or 41325 or 41839,
        // 1205 lock time-out, 1213 and 1614 deadlock, 1020 changed since the snapshot (MariaDB), 1412 table definition has changed, 3101 another node of the cluster was faster, 3572 lock not available at once.
        Engine.MySql => Number(e) is 1205 or 1213 or 1020 or 1412 or 1614 or 3101 or 3572,
        // 5 and 6 busy, 17 another connection has changed the schema, again while the statement was read anew.
        Engine.Sqlite => Number(e) is 5 or 6 or 17,
        _ => e.SqlState is "40001" or "40P01" or "55P03",
    };

    /// <summary>The database cannot be reached, is going down, is full or read-only, or refuses connections for now. Nothing is wrong with the work. After a time-out it may have been done.</summary>
    public static bool IsUnavailable(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is SocketException or IOException or TimeoutException or ObjectDisposedException)
                return true;
            if (e is not DbException database)
                continue;
            switch (EngineOf(database))
            {
                // The numbers of broken connections are the operating system's, and differ between them: what is no known number may still hold a socket's error.
                case Engine.SqlServer when database.InnerException is null || IsUnavailableSqlServer(Number(database)):
                    return IsUnavailableSqlServer(Number(database));
                // Without a number the driver reports what happened to the connection.
                case Engine.MySql when Number(database) is var number && (number > 0 || database.InnerException is null):
                    return IsUnavailableMySql(number);
                case Engine.Sqlite:
                    // 8 read-only, 10 I/O error, 13 disk full, 14 cannot open.
                    return Number(database) is 8 or 10 or 13 or 14;
                case Engine.PostgreSql when database.SqlState is { Length: 5 } state:
                    // 08 connection, 57P0x shutdown, 53 resources, 3D000 no such database yet, 58 system, 25006 read-only (standby).
                    return state[..2] is "08" or "53" or "58" || state is "57P01" or "57P02" or "57P03" or "57P05" or "3D000" or "25006";
                // Npgsql reports a broken connection without a state.
                case Engine.PostgreSql when database.GetType().FullName is "Npgsql.NpgsqlException":
                    return true;
            }
        }
        return false;
    }

    /// <summary>A unique key has this value already.</summary>
    public static bool IsDuplicateKey(Exception exception) => Find(exception) is { } e && EngineOf(e) switch
    {
        Engine.SqlServer => Number(e) is 2601 or 2627,
        Engine.MySql => Number(e) is 1062 or 1586,
        Engine.Sqlite => Number(e) == 19 && e.Message.Contains("UNIQUE", StringComparison.Ordinal),
        _ => e.SqlState is "23505",
    };

    /// <summary>A table is not there.</summary>
    public static bool IsMissingTable(Exception exception) => Find(exception) is { } e && EngineOf(e) switch
    {
        Engine.SqlServer => Number(e) is 208,
        Engine.MySql => Number(e) is 1146,
        Engine.Sqlite => Number(e) == 1 && e.Message.Contains("no such table", StringComparison.Ordinal),
        _ => e.SqlState is "42P01" or "3F000",
    };

    /// <summary>There is no such prepared transaction, or none that this session may finish: somebody has finished it, or it belongs to a session that lives.</summary>
    public static bool IsMissingBranch(Exception exception) => Find(exception) is { } e && EngineOf(e) switch
    {
        Engine.MySql => Number(e) is 1397,
        Engine.PostgreSql => e.SqlState is "42704",
        _ => false,
    };

    /// <summary>A column is not there: the tables are older or newer than this version.</summary>
    public static bool IsMissingColumn(Exception exception) => Find(exception) is { } e && EngineOf(e) switch
    {
        Engine.SqlServer => Number(e) is 207,
        Engine.MySql => Number(e) is 1054,
        Engine.Sqlite => Number(e) == 1 && e.Message.Contains("no such column", StringComparison.Ordinal),
        _ => e.SqlState is "42703",
    };

    /// <summary>The server does not know a statement that was prepared, or knows one of that name already: a pooler stands between here and it. Or its columns have other types by now. Nothing was done.</summary>
    public static bool IsUnprepared(Exception exception) =>
        Find(exception) is { } e && EngineOf(e) == Engine.PostgreSql && (e.SqlState is "26000" or "42P05" || (e.SqlState == "0A000" && e.Message.Contains("cached plan", StringComparison.Ordinal)));

    /// <summary>The user or the password is wrong, or the user may not do this.</summary>
    public static bool IsAccessDenied(Exception exception) => Find(exception) is { } e && EngineOf(e) switch
    {
        // 229/230 no right on an object or column, 262/297/300 none to create or to see, 916 no access to the database, 17892 refused by a trigger,
        // 18452/18456/184xx login refused, expired or locked, 40532/40615/40914 Azure's firewall or no such server there.
        Engine.SqlServer => Number(e) is 229 or 230 or 262 or 297 or 300 or 916 or 17892 or 18452 or 18456 or 18470 or 18486 or 18487 or 18488 or 40532 or 40615 or 40914,
        // 1044/1045 refused, 1130 host refused, 1142/1143 no right on a table or column, 1227 privilege needed, 1698 by plug-in, 1820/1862 password expired, 3118/3955/4151 account locked.
        Engine.MySql => Number(e) is 1044 or 1045 or 1130 or 1142 or 1143 or 1227 or 1698 or 1820 or 1862 or 3118 or 3955 or 4151,
        Engine.Sqlite => false,
        _ => e.SqlState is "28000" or "28P01" or "42501",
    };

    /// <summary>Something answers that does not speak the engine's protocol.</summary>
    public static bool IsForeignServer(Exception exception) => Find(exception) is { SqlState: null } e && e.Message.Contains("SSLRequest", StringComparison.Ordinal);

    /// <summary>The server's certificate is not trusted here. The drivers' own words hide it.</summary>
    public static bool IsUntrustedServer(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is AuthenticationException)
                return Find(exception) is not null;
        }
        return false;
    }

    /// <summary>The error came from a database's driver.</summary>
    public static bool IsOfDatabase(Exception exception) => Find(exception) is not null;

    /// <summary>The first line of an error's own words: the rest is for those who see the statement.</summary>
    public static string TextOf(Exception exception) => (Find(exception) ?? exception).Message.Split('\n', 2)[0].TrimEnd('\r', '.');

    private enum Engine
    {
        Other,
        SqlServer,
        PostgreSql,
        MySql,
        Sqlite,
    }

    // Not here: 40549 to 40553. Azure ends sessions whose own transaction is too long or too large; waiting does not make it smaller.
    private static bool IsUnavailableSqlServer(int number) => number is
        // The client's: -2 time-out, -1 and 2 and 53 no server, 258 wait, the rest broken connections.
        -2 or -1 or 0 or 2 or 11 or 20 or 35 or 40 or 53 or 64 or 109 or 121 or 232 or 233 or 258 or 1225 or 1231 or 1236
        or 10050 or 10051 or 10052 or 10053 or 10054 or 10060 or 10061 or 10064 or 10065 or 11001 or 11002 or 11004
        // 4060 no such database yet, the rest databases in recovery, restore, single-user mode, in transition or on a secondary replica.
        or 4060 or 4221 or 615 or 904 or 913 or 921 or 922 or 924 or 926 or 927 or 941 or 942 or 945 or 951 or 952 or 976 or 978 or 979 or 982 or 983 or 988 or 997
        // Starting, upgrade, shutdown, pause, only administrators, session killed.
        or 596 or 6001 or 6002 or 6005 or 17142 or 17187 or 17188 or 17189 or 17197 or 17809 or 18401 or 18451 or 18461
        // Memory, locks, workers and space; the log or a disk is gone; read-only.
        or 701 or 802 or 1101 or 1105 or 1204 or 8628 or 8645 or 8651 or 9002 or 823 or 824 or 9001 or 3906 or 3908
        // Azure SQL: throttling, failover, limits.
        or 10928 or 10929 or 10930 or 10936 or 39108 or 40143 or 40166 or 40197 or 40501 or 40540 or 40544 or 40613 or 40642 or 42108 or 42109
        or 45156 or 45157 or 45161 or 45182 or 45319 or 49918 or 49919 or 49920 or 49977 or 49983;

    private static bool IsUnavailableMySql(int number) => number is
        // -1 the client's time-out, 0 the connection is gone, 1040 and 1203 and 1226 too many connections, 1042 and 200x and 2013 no server, 1043 and 115x and 1184 broken connections.
        -1 or 0 or 1040 or 1042 or 1043 or 1129 or 1152 or 1158 or 1159 or 1160 or 1161 or 1184 or 1203 or 1226 or 1927 or 1928 or 2002 or 2003 or 2006 or 2013
        // 1049 no such database yet, 1047 a Galera node that is not ready, 1053 and 1077 to 1079 shutdown, 3032 offline mode, 1317 and 1969 and 3024 and 4031 interrupted.
        or 1049 or 1047 or 1053 or 1077 or 1078 or 1079 or 1317 or 1969 or 3024 or 3032 or 3168 or 4031
        // 1021 and 1114 full, 1030 storage engine, 1037 and 1038 and 1041 memory, 1290 and 1792 and 1836 read-only.
        or 1021 or 1030 or 1037 or 1038 or 1041 or 1114 or 1290 or 1792 or 1836;

    private static DbException? Find(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is DbException found)
                return found;
        }
        return null;
    }

    private static Engine EngineOf(DbException exception) => exception.GetType().FullName switch
    {
        "Microsoft.Data.SqlClient.SqlException" => Engine.SqlServer,
        "Npgsql.NpgsqlException" or "Npgsql.PostgresException" => Engine.PostgreSql,
        "Microsoft.Data.Sqlite.SqliteException" => Engine.Sqlite,
        { } name when name.StartsWith("MySqlConnector.", StringComparison.Ordinal) => Engine.MySql,
        _ => Engine.Other,
    };

    private static int Number(DbException exception)
    {
        if (EngineOf(exception) == Engine.Sqlite)
        {
            var match = SqliteMessage().Match(exception.Message);
            return match.Success ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;
        }
        // The drivers are not referenced here, and ADO.NET has no common name for it.
        return exception.GetType().GetProperty("Number")?.GetValue(exception) is int number ? number : 0;
    }

    [GeneratedRegex("^SQLite Error ([0-9]+):")]
    private static partial Regex SqliteMessage();
}
