using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>A database of its own on the MariaDB or MySQL server.</summary>
internal sealed class TestMySql : TestDatabase
{
    private readonly string _server;
    private readonly string _name;

    private TestMySql(string server, string name, MySqlDataSource dataSource) : base(SqlDialect.MySql, dataSource) => (_server, _name) = (server, name);

    public override string Partition => "`partition`";

    public override string Body => "CONVERT(body USING utf8mb4)";

    public static async Task<TestMySql> CreateAsync()
    {
        var server = TestServers.MariaDb();
        var name = TestServers.NewName("test").Replace('-', '_');
        await ExecuteOnAsync(server, $"CREATE DATABASE {name}");
        return new TestMySql(server, name, new MySqlDataSource(new MySqlConnectionStringBuilder(server) { Database = name }.ConnectionString));
    }

    public override void Configure(DbContextOptionsBuilder options) => throw new NotSupportedException("Entity Framework 10 has no provider for MySQL.");

    public override string Time(TimeSpan fromNow) => FormattableString.Invariant($"utc_timestamp(6) + INTERVAL {fromNow.Ticks / 10} MICROSECOND");

    public override string Text(string expression) => $"CAST({expression} AS char)";

    // Not innodb_trx: it shows a copy that is only made anew when nobody has asked for a tenth of a second.
    public override async Task<int> WaitingSessionsAsync() =>
        (int)await ScalarAsync<long>("SELECT count(*) FROM information_schema.processlist WHERE db = database() AND command = 'Query' AND id <> connection_id()");

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await ExecuteOnAsync(_server, $"DROP DATABASE IF EXISTS {_name}");
    }

    private static async Task ExecuteOnAsync(string server, string sql)
    {
        await using var connection = new MySqlConnection(server);
        await connection.OpenAsync();
        await connection.Command(sql).ExecuteAsync(CancellationToken.None);
    }
}
