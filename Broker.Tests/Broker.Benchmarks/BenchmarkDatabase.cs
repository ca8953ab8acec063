using System.CommandLine;
using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using MySqlConnector;
using Npgsql;
using Outbox.Sql;

namespace Broker.Benchmarks;

/// <summary>A database of its own for one measurement, with the outbox's tables; removed at the end.</summary>
internal sealed class BenchmarkDatabase : IAsyncDisposable
{
    private readonly string _name = $"bench_{Guid.CreateVersion7():N}";
    private readonly string? _server;
    private readonly BenchmarkServers? _servers;

    private BenchmarkDatabase(SqlDialect dialect)
    {
        Dialect = dialect;
        var server = dialect.Name switch { "SqlServer" => "sqlserver", "PostgreSql" => "postgres", "MySql" => "mariadb", _ => null };
        if (server is not null)
        {
            _servers = BenchmarkServers.Find((server, null));
            _server = _servers[server];
        }
        // As the worker makes it.
        DataSource = DataSources.Create(dialect, dialect.Name switch
        {
            "SqlServer" => new SqlConnectionStringBuilder(_server) { InitialCatalog = _name }.ConnectionString,
            "PostgreSql" => new NpgsqlConnectionStringBuilder(_server) { Database = _name }.ConnectionString,
            "MySql" => new MySqlConnectionStringBuilder(_server!) { Database = _name }.ConnectionString,
            _ => $"Data Source={Path.Combine(Path.GetTempPath(), _name + ".db")}",
        }, partitions: 16, mayCreate: true);
    }

    public SqlDialect Dialect { get; }

    public DbDataSource DataSource { get; }

    public static Option<string[]> Option(params SqlDialect[] defaults) => new("--database")
    {
        Description = $"Engines: {string.Join(", ", SqlDialect.All)}.",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [.. defaults.Select(d => d.Name)],
    };

    public static async Task<BenchmarkDatabase> CreateAsync(string engine)
    {
        if (!SqlDialect.TryParse(engine, out var dialect))
            throw new InvalidOperationException($"--database '{engine}' is no known engine. Use one of: {string.Join(", ", SqlDialect.All)}.");
        var database = new BenchmarkDatabase(dialect);
        await database.OnServerAsync($"CREATE DATABASE {database._name}");
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await OutboxSchema.CreateAsync(connection, "The benchmark", CancellationToken.None);
        return database;
    }

    public async Task<int> ExecuteAsync(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await using var command = connection.Command(sql);
        command.CommandTimeout = 600;
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>Writes plain rows of some bytes, as fast as the engine can.</summary>
    public async Task FillAsync(int rows, int bytes = 200)
    {
        const int batch = 10_000;
        for (var left = rows; left > 0; left -= batch)
        {
            var count = Math.Min(batch, left);
            await ExecuteAsync(Dialect.Name switch
            {
                "PostgreSql" => FormattableString.Invariant($"INSERT INTO outbox_messages (message_id, type, body) SELECT gen_random_uuid(), 'bench.row.v1', decode(repeat('61', {bytes}), 'hex') FROM generate_series(1, {count})"),
                // An INSERT … SELECT would take more numbers than it has rows.
                "MySql" => "INSERT INTO outbox_messages (message_id, type, body) VALUES " + string.Join(",", Enumerable.Repeat(FormattableString.Invariant($"(uuid(), 'bench.row.v1', repeat('a', {bytes}))"), count)),
                "SqlServer" => FormattableString.Invariant($"INSERT INTO outbox_messages (message_id, type, body) SELECT NEWID(), N'bench.row.v1', CAST(REPLICATE('a', {bytes}) AS varbinary(max)) FROM (SELECT TOP ({count}) 1 AS one FROM sys.all_columns AS a CROSS JOIN sys.all_columns AS b) AS n"),
                _ => FormattableString.Invariant($"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO outbox_messages (message_id, type, body) SELECT lower(hex(randomblob(16))), 'bench.row.v1', zeroblob({bytes}) FROM n"),
            });
        }
    }

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        if (Dialect == SqlDialect.Sqlite)
        {
            SqliteConnection.ClearAllPools();
            foreach (var file in Directory.GetFiles(Path.GetTempPath(), _name + ".db*"))
                File.Delete(file);
        }
        else
        {
            NpgsqlConnection.ClearAllPools();
            if (Dialect == SqlDialect.SqlServer)
                await OnServerAsync($"ALTER DATABASE {_name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
            await OnServerAsync($"DROP DATABASE {_name}{(Dialect == SqlDialect.PostgreSql ? " WITH (FORCE)" : "")}");
        }
        _servers?.Dispose();
    }

    private async Task OnServerAsync(string sql)
    {
        if (_server is null)
            return;
        await using var source = DataSources.Create(Dialect, _server);
        await using var connection = await source.OpenConnectionAsync();
        await connection.Command(sql).ExecuteAsync(CancellationToken.None);
    }
}
