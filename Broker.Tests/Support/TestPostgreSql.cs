using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>A schema in the run's own PostgreSQL database, first in the search path of its connections. It goes with the database.</summary>
internal sealed class TestPostgreSql : TestDatabase
{
    private TestPostgreSql(string schema, NpgsqlDataSource dataSource) : base(SqlDialect.PostgreSql, dataSource) => Schema = schema;

    public string Schema { get; }

    public static async Task<TestPostgreSql> CreateAsync()
    {
        var server = await TestServers.PostgreSqlAsync();
        var schema = TestServers.NewName("test").Replace('-', '_');
        // Its sessions can be told from those of others, and terminated, by their application name.
        var own = new NpgsqlConnectionStringBuilder(server) { SearchPath = schema, ApplicationName = schema, IncludeErrorDetail = true };
        var database = new TestPostgreSql(schema, NpgsqlDataSource.Create(own));
        await database.ExecuteAsync($"CREATE SCHEMA {schema}");
        return database;
    }

    public override string Body => "convert_from(body, 'UTF8')";

    public override string Time(TimeSpan fromNow) => FormattableString.Invariant($"clock_timestamp() + interval '{fromNow.TotalSeconds:0.000} seconds'");

    public override async Task<int> WaitingSessionsAsync() =>
        (int)await ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE application_name = @name AND wait_event_type = 'Lock'", ("name", Schema));

    public override DbDataSource CreateReadOnly() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString) { Options = "-c default_transaction_read_only=on" });

    public override void Configure(DbContextOptionsBuilder options) => options.UseNpgsql((NpgsqlDataSource)DataSource);
}
