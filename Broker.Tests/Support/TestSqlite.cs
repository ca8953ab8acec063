using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>A SQLite file in a folder of its own.</summary>
internal sealed class TestSqlite : TestDatabase
{
    private readonly string _folder;

    private TestSqlite(string folder, DbDataSource dataSource) : base(SqlDialect.Sqlite, dataSource) => _folder = folder;

    public static TestSqlite Create()
    {
        var folder = TestServers.Folder;
        return new TestSqlite(folder, SqliteFactory.Instance.CreateDataSource($"Data Source={Path.Combine(folder, "test.db")}"));
    }

    public override void Configure(DbContextOptionsBuilder options) => options.UseSqlite(ConnectionString);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        using (var connection = new SqliteConnection(ConnectionString))
            SqliteConnection.ClearPool(connection);
        Directory.Delete(_folder, recursive: true);
    }
}
