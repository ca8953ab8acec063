using System.Data.Common;
using System.Globalization;
using Microsoft.Data.Sqlite;
using MySqlConnector;
using Npgsql;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>A database of its own for one source, with the outbox's tables; removed at the end.</summary>
internal sealed class Database : IAsyncDisposable
{
    private readonly string _name = $"campaign_{Guid.CreateVersion7():N}";
    private readonly string? _server;

    private Database(SqlDialect dialect, Servers servers)
    {
        Dialect = dialect;
        _server = ServerOf(dialect) is { } server ? servers["BROKER_TEST_" + server.ToUpperInvariant()] : null;
        ConnectionString = dialect.Name switch
        {
            "PostgreSql" => new NpgsqlConnectionStringBuilder(_server) { Database = _name }.ConnectionString,
            "MySql" => new MySqlConnectionStringBuilder(_server!) { Database = _name }.ConnectionString,
            _ => $"Data Source={Path.Combine(Path.GetTempPath(), _name + ".db")}",
        };
        DataSource = DataSources.Create(dialect, ConnectionString, mayCreate: true);
    }

    public SqlDialect Dialect { get; }

    public string ConnectionString { get; }

    public DbDataSource DataSource { get; }

    /// <summary>The column's name in a statement.</summary>
    public string PartitionColumn => Dialect == SqlDialect.MySql ? "`partition`" : "partition";

    /// <summary>The server that an engine needs; null for SQLite.</summary>
    public static string? ServerOf(SqlDialect dialect) => dialect.Name switch { "PostgreSql" => "postgres", "MySql" => "mariadb", _ => null };

    /// <summary>An engine that campaigns run on.</summary>
    public static SqlDialect Engine(string name) => SqlDialect.TryParse(name, out var dialect) && dialect != SqlDialect.SqlServer
        ? dialect
        : throw new InvalidOperationException($"--database '{name}' cannot be used. Use one of: {SqlDialect.PostgreSql}, {SqlDialect.MySql}, {SqlDialect.Sqlite}.");

    public static async Task<Database> CreateAsync(SqlDialect dialect, Servers servers, int partitions)
    {
        var database = new Database(dialect, servers);
        await database.OnServerAsync($"CREATE DATABASE {database._name}");
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await OutboxSchema.CreateAsync(connection, "The campaign", CancellationToken.None);
        await connection.Command("UPDATE outbox_settings SET partitions = @partitions").With("partitions", partitions).ExecuteAsync(CancellationToken.None);
        return database;
    }

    /// <summary>The connection string of one client: where the engine can show it, under the client's name.</summary>
    public string ConnectionStringOf(string client) => Dialect == SqlDialect.PostgreSql
        ? new NpgsqlConnectionStringBuilder(ConnectionString) { ApplicationName = client }.ConnectionString
        : ConnectionString;

    /// <summary>The same database behind a proxy.</summary>
    public string ConnectionStringAt(int port) => Dialect == SqlDialect.PostgreSql
        ? new NpgsqlConnectionStringBuilder(ConnectionString) { Host = "127.0.0.1", Port = port }.ConnectionString
        : new MySqlConnectionStringBuilder(ConnectionString) { Server = "127.0.0.1", Port = (uint)port }.ConnectionString;

    /// <summary>A proxy before its server.</summary>
    public TcpProxy Proxy()
    {
        if (Dialect != SqlDialect.PostgreSql)
            throw new NotSupportedException($"{Dialect} has no proxy here.");
        var server = new NpgsqlConnectionStringBuilder(ConnectionString);
        return TcpProxy.To(server.Host!, server.Port);
    }

    public async Task<int> ExecuteAsync(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return await connection.Command(sql).ExecuteAsync(CancellationToken.None);
    }

    public async Task<long> CountAsync(string table)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return Convert.ToInt64(await connection.Command($"SELECT count(*) FROM {table}").ScalarAsync(CancellationToken.None), CultureInfo.InvariantCulture);
    }

    /// <summary>The rows of a query, each value as text.</summary>
    public async Task<IReadOnlyList<string[]>> QueryAsync(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return await QueryAsync(connection, sql);
    }

    public static async Task<IReadOnlyList<string[]>> QueryAsync(DbConnection connection, string sql)
    {
        await using var command = connection.Command(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string[]>();
        while (await reader.ReadAsync())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture) ?? "")]);
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        if (_server is null)
        {
            SqliteConnection.ClearAllPools();
            foreach (var file in Directory.GetFiles(Path.GetTempPath(), _name + ".db*"))
                File.Delete(file);
            return;
        }
        await OnServerAsync($"DROP DATABASE {_name}{(Dialect == SqlDialect.PostgreSql ? " WITH (FORCE)" : "")}");
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
