using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>A database of its own on the SQL Server. Databases are slow to make, so a test that is done hands its own on, emptied.</summary>
internal sealed class TestSqlServer : TestDatabase
{
    private static readonly ConcurrentDictionary<bool, ConcurrentBag<string>> Free = new();
    private static readonly ConcurrentBag<string> Made = [];

    private readonly string _server;
    private readonly string _name;
    private readonly bool _readCommittedSnapshot;

    private TestSqlServer(string server, string name, bool readCommittedSnapshot, DbDataSource dataSource) : base(SqlDialect.SqlServer, dataSource) =>
        (_server, _name, _readCommittedSnapshot) = (server, name, readCommittedSnapshot);

    // Plain letters only: it reads the bytes by the database's code page.
    public override string Body => "CAST(body AS varchar(max))";

    /// <summary>An empty database.</summary>
    /// <param name="readCommittedSnapshot">Whether plain reads see the last committed version of a locked row (READ_COMMITTED_SNAPSHOT) or wait for it.</param>
    public static async Task<TestSqlServer> CreateAsync(bool readCommittedSnapshot = false)
    {
        var server = TestServers.SqlServer();
        if (!Free.GetOrAdd(readCommittedSnapshot, _ => []).TryTake(out var name))
        {
            name = TestServers.NewName("test").Replace('-', '_');
            await ExecuteOnAsync(server, $"CREATE DATABASE {name}");
            Made.Add(name);
            await ExecuteOnAsync(server, readCommittedSnapshot
                ? $"ALTER DATABASE {name} SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE"
                : $"ALTER DATABASE {name} SET READ_COMMITTED_SNAPSHOT OFF WITH ROLLBACK IMMEDIATE");
            await ExecuteOnAsync(server, $"ALTER DATABASE {name} SET ALLOW_SNAPSHOT_ISOLATION ON");
        }
        var own = new SqlConnectionStringBuilder(server) { InitialCatalog = name, ApplicationName = name };
        return new TestSqlServer(server, name, readCommittedSnapshot, SqlClientFactory.Instance.CreateDataSource(own.ConnectionString));
    }

    /// <summary>Drops the run's databases.</summary>
    public static async Task RemoveAsync()
    {
        while (Made.TryTake(out var name))
        {
            SqlConnection.ClearAllPools();
            var server = TestServers.SqlServer();
            await ExecuteOnAsync(server, $"ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
            await ExecuteOnAsync(server, $"DROP DATABASE {name}");
        }
    }

    public override void Configure(DbContextOptionsBuilder options) => options.UseSqlServer(ConnectionString);

    public override string Time(TimeSpan fromNow) => FormattableString.Invariant($"DATEADD(millisecond, {(long)fromNow.TotalMilliseconds}, SYSUTCDATETIME())");

    public override string Text(string expression) => $"CAST({expression} AS nvarchar(max))";

    public override string Limit(string select, int rows) => select.Replace("SELECT ", FormattableString.Invariant($"SELECT TOP ({rows}) "), StringComparison.Ordinal);

    // A plain read waits for open writers unless READ_COMMITTED_SNAPSHOT is on. The level is put back: it would stay on the pooled session. The catalog has no versions.
    private protected override string Committed(string query) =>
        query.Contains("sys.", StringComparison.Ordinal) ? query : "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; " + query + "; SET TRANSACTION ISOLATION LEVEL READ COMMITTED";

    // Needs the right to see the server's state; the administrator that makes the databases has it.
    public override Task<int> WaitingSessionsAsync() => ScalarAsync<int>("SELECT count(*) FROM sys.sysprocesses WHERE dbid = DB_ID() AND blocked <> 0");

    public override async ValueTask DisposeAsync()
    {
        await ExecuteAsync("""
            DECLARE @sql nvarchar(max) = N'';
            SELECT @sql += N'DROP TABLE ' + QUOTENAME(name) + N';' FROM sys.tables;
            EXEC sp_executesql @sql;
            """);
        await base.DisposeAsync();
        Free.GetOrAdd(_readCommittedSnapshot, _ => []).Add(_name);
    }

    private static async Task ExecuteOnAsync(string server, string sql)
    {
        await using var connection = new SqlConnection(server);
        await connection.OpenAsync();
        await connection.Command(sql).ExecuteAsync(CancellationToken.None);
    }
}
