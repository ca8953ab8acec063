using Microsoft.Data.SqlClient;
using MySqlConnector;
using Npgsql;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>An engine's own command-line client, run as a person or a script would run it.</summary>
internal abstract class NativeClient
{
    public static async Task<NativeClient> OfAsync(TestDatabase database) => database.Dialect.Name switch
    {
        "Sqlite" => new Sqlite(database),
        "PostgreSql" => new PostgreSql(await ConninfoAsync(database)),
        "MySql" => new MySql(database),
        "SqlServer" => new SqlServer(database),
        _ => throw new NotSupportedException($"{database.Dialect} has no client here."),
    };

    /// <summary>Runs a file of SQL, several times over in one session if wanted, and expects that all went well.</summary>
    public Task RunAsync(string path, int times = 1, params (string Name, string Value)[] variables) => Task.Run(async () =>
    {
        var (code, output) = await StartAsync(path, times, variables);
        Assert.That((code, output.Contains("ERROR", StringComparison.OrdinalIgnoreCase)), Is.EqualTo((0, false)), output);
    });

    /// <summary>Runs statements.</summary>
    public async Task ExecuteAsync(string sql, int times = 1)
    {
        var folder = TestServers.Folder;
        try
        {
            var path = Path.Combine(folder, "statements.sql");
            await File.WriteAllTextAsync(path, sql);
            await RunAsync(path, times);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A database on PostgreSQL as libpq is told of it.</summary>
    public static async Task<string> ConninfoAsync(TestDatabase database)
    {
        // A data source does not give its password away.
        var server = new NpgsqlConnectionStringBuilder(await TestServers.PostgreSqlAsync());
        return $"host={server.Host} port={server.Port} user={server.Username} dbname={server.Database} password='{server.Password}' options='-csearch_path={((TestPostgreSql)database).Schema}'";
    }

    private protected abstract Task<(int Code, string Output)> StartAsync(string path, int times, (string Name, string Value)[] variables);

    private sealed class Sqlite(TestDatabase database) : NativeClient
    {
        private readonly string _program = TestServers.Client("sqlite3");
        private readonly string _file = new Microsoft.Data.Sqlite.SqliteConnectionStringBuilder(database.ConnectionString).DataSource;

        private protected override Task<(int Code, string Output)> StartAsync(string path, int times, (string Name, string Value)[] variables) =>
            Task.FromResult(TestServers.Start(
                _program,
                ["-bail", _file, ".timeout 20000", .. variables.Select(v => $".parameter set @{v.Name} \"'{v.Value}'\""), .. Enumerable.Repeat($".read {path}", times)]));
    }

    private sealed class PostgreSql(string conninfo) : NativeClient
    {
        private readonly string _program = TestServers.Client("psql");

        private protected override Task<(int Code, string Output)> StartAsync(string path, int times, (string Name, string Value)[] variables) =>
            Task.FromResult(TestServers.Start(
                _program,
                [conninfo, "-X", "-q", "-v", "ON_ERROR_STOP=1", .. variables.SelectMany(v => (string[])["-v", $"{v.Name}={v.Value}"]), .. Enumerable.Repeat<string[]>(["-f", path], times).SelectMany(f => f)]));
    }

    private sealed class MySql(TestDatabase database) : NativeClient
    {
        private readonly string _program = TestServers.Client("mysql");
        private readonly MySqlConnectionStringBuilder _server = new(TestServers.MariaDb());
        private readonly string _name = new MySqlConnectionStringBuilder(database.ConnectionString).Database;

        private protected override Task<(int Code, string Output)> StartAsync(string path, int times, (string Name, string Value)[] variables)
        {
            string[] lines = [.. variables.Select(v => $"SET @{v.Name} = '{v.Value}';"), .. Enumerable.Repeat($"source {path}", times)];
            return Task.FromResult(TestServers.Start(
                _program,
                "--no-defaults", "-h", _server.Server, "-P", $"{_server.Port}", "-u", _server.UserID, $"--password={_server.Password}", "--default-character-set=utf8mb4", _name, "-e", string.Join('\n', lines)));
        }
    }

    /// <summary>Does what sqlcmd does with variables and GO: it is not where these tests run.</summary>
    private sealed class SqlServer(TestDatabase database) : NativeClient
    {
        private protected override async Task<(int Code, string Output)> StartAsync(string path, int times, (string Name, string Value)[] variables)
        {
            var script = variables.Aggregate(await File.ReadAllTextAsync(path), (text, v) => text.Replace($"$({v.Name})", v.Value, StringComparison.Ordinal));
            await using var connection = await database.DataSource.OpenConnectionAsync();
            try
            {
                for (var i = 0; i < times; i++)
                {
                    foreach (var batch in TSql.Batches(script))
                        await connection.Command(batch).ExecuteAsync(CancellationToken.None);
                }
                return (0, "");
            }
            catch (SqlException exception)
            {
                return (1, exception.Message);
            }
        }
    }
}
