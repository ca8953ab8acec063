using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>A SQLite file in a folder of its own.</summary>
internal sealed class TestSqlite : TestDatabase
{
    private readonly string _folder;

    private string ReadOnly => ConnectionString + ";Mode=ReadOnly";

    private TestSqlite(string folder, DbDataSource dataSource) : base(SqlDialect.Sqlite, dataSource) => _folder = folder;

    public static TestSqlite Create()
    {
        var folder = TestServers.Folder;
        return new TestSqlite(folder, SqliteFactory.Instance.CreateDataSource($"Data Source={Path.Combine(folder, "test.db")}"));
    }

    public override string Body => "CAST(body AS text)";

    public override string Time(TimeSpan fromNow) => FormattableString.Invariant($"strftime('%Y-%m-%d %H:%M:%f', 'now', '{fromNow.TotalSeconds:+0.000;-0.000} seconds')");

    // Its writers take turns in the driver; nobody is seen to wait.
    public override Task<int> WaitingSessionsAsync() => Task.FromResult(0);

    public override void Configure(DbContextOptionsBuilder options) => options.UseSqlite(ConnectionString);

    public override DbDataSource CreateReadOnly() => SqliteFactory.Instance.CreateDataSource(ReadOnly);

    /// <summary>Keeps the database as it is now, and returns what puts it back. Nobody may use it then.</summary>
    public Action BackUp()
    {
        var backup = $"Data Source={Path.Combine(_folder, $"{Guid.CreateVersion7():N}.backup")};Pooling=False";
        Copy(ConnectionString, backup);
        return () => Copy(backup, ConnectionString);
    }

    private static void Copy(string from, string to)
    {
        using var source = new SqliteConnection(from);
        using var destination = new SqliteConnection(to);
        source.Open();
        destination.Open();
        source.BackupDatabase(destination);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        foreach (var connectionString in (string[])[ConnectionString, ReadOnly])
        {
            using var connection = new SqliteConnection(connectionString);
            SqliteConnection.ClearPool(connection);
        }
        Directory.Delete(_folder, recursive: true);
    }
}
