using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using MySqlConnector;
using Npgsql;
using Outbox;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>A database of its own for one measurement, with the outbox's tables; removed at the end.</summary>
internal sealed class BenchDatabase : IAsyncDisposable
{
    private readonly string? _server;
    private readonly string _folder;
    private BenchServers? _servers;

    private BenchDatabase(SqlDialect dialect, string? server, string? name)
    {
        Dialect = dialect;
        Sql = BenchSql.Of(dialect);
        Name = name ?? $"bench_{Guid.CreateVersion7():N}";
        _server = dialect == SqlDialect.Sqlite ? null : server;
        _folder = dialect == SqlDialect.Sqlite && server is { Length: > 0 } ? server : Path.GetTempPath();
        ConnectionString = dialect.Name switch
        {
            "SqlServer" => new SqlConnectionStringBuilder(_server) { InitialCatalog = Name }.ConnectionString,
            "PostgreSql" => new NpgsqlConnectionStringBuilder(_server) { Database = Name }.ConnectionString,
            "MySql" => new MySqlConnectionStringBuilder(_server!) { Database = Name }.ConnectionString,
            _ => $"Data Source={Path.Combine(_folder, Name + ".db")}",
        };
        // As the worker makes it.
        DataSource = DataSources.Create(dialect, ConnectionString, connections: 48, mayCreate: true);
    }

    public SqlDialect Dialect { get; }

    public BenchSql Sql { get; }

    public string Name { get; }

    public string ConnectionString { get; }

    public DbDataSource DataSource { get; }

    /// <summary>The engine with its version; known once the database is created.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Creates a database with the outbox's tables.</summary>
    /// <param name="dialect">The engine.</param>
    /// <param name="server">A server where databases may be created; for SQLite a folder, or null for the one for temporary files.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="name">Its name. Default: one of its own.</param>
    public static async Task<BenchDatabase> CreateAsync(SqlDialect dialect, string? server, CancellationToken cancellationToken, string? name = null)
    {
        var database = new BenchDatabase(dialect, server, name);
        try
        {
            if (database.Sql.CreateDatabase(database.Name) is { } create)
                await database.OnServerAsync(create, cancellationToken);
            await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
            database.Version = $"{dialect} {connection.ServerVersion}";
            await OutboxSchema.CreateAsync(connection, "The benchmark", cancellationToken);
            return database;
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>As <see cref="CreateAsync"/>, on the server that the environment names or that is started for it, and stopped when the database goes.</summary>
    public static async Task<BenchDatabase> FindAsync(string engine)
    {
        var dialect = Engine(engine);
        if (BenchServers.NameOf(dialect) is not { } name)
            return await CreateAsync(dialect, null, CancellationToken.None);
        var servers = BenchServers.Find((name, null));
        try
        {
            var database = await CreateAsync(dialect, servers[name], CancellationToken.None);
            database._servers = servers;
            return database;
        }
        catch
        {
            servers.Dispose();
            throw;
        }
    }

    /// <summary>Finds an engine by its name, or says which there are.</summary>
    /// <exception cref="OutboxConfigurationException">There is no such engine.</exception>
    public static SqlDialect Engine(string name) =>
        SqlDialect.TryParse(name, out var dialect) ? dialect : throw new OutboxConfigurationException($"--database '{name}' is no known engine. Use one of: {string.Join(", ", SqlDialect.All)}.");

    public async Task<int> ExecuteAsync(string sql, byte[]? body = null, CancellationToken cancellationToken = default)
    {
        await using var connection = await DataSource.OpenConnectionAsync(cancellationToken);
        await using var command = connection.Command(sql);
        command.CommandTimeout = 600;
        if (body is not null)
            command.With("body", body);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<long> ScalarAsync(string sql, CancellationToken cancellationToken = default)
    {
        await using var connection = await DataSource.OpenConnectionAsync(cancellationToken);
        await using var command = connection.Command(sql);
        command.CommandTimeout = 600;
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Adds the tables of the benchmark's own business: accounts that writers change, and effects of consumers.</summary>
    public async Task CreateBusinessTablesAsync(CancellationToken cancellationToken)
    {
        foreach (var sql in Sql.CreateBusinessTables)
            await ExecuteAsync(sql, cancellationToken: cancellationToken);
    }

    /// <summary>Removes all rows that a run has left.</summary>
    public async Task ForgetAsync(CancellationToken cancellationToken)
    {
        foreach (var sql in Sql.ForgetRows)
            await ExecuteAsync(sql, cancellationToken: cancellationToken);
        await SettleDownAsync(Sql.TidyUp, cancellationToken);
        await SettleDownAsync(Sql.CheckpointBefore ?? Sql.CheckpointAfter, cancellationToken);
    }

    /// <summary>Writes rows in batches, as fast as the engine can.</summary>
    public async Task FillAsync(int rows, int bytes = 200, int keys = 0, int partitions = 1, CancellationToken cancellationToken = default)
    {
        var random = new Random(1);
        var batch = Sql.RowsPerStatement(bytes);
        for (var left = rows; left > 0; left -= batch)
            await ExecuteAsync(Sql.InsertRows(Math.Min(batch, left), keys, partitions, random), BenchMessage.Of(bytes).ToBody(), cancellationToken);
    }

    /// <summary>Does now what the database would do some time later, in the middle of a run.</summary>
    public async Task SettleDownAsync(string? work, CancellationToken cancellationToken)
    {
        if (work is null)
            return;
        try
        {
            await ExecuteAsync(work, cancellationToken: cancellationToken);
        }
        catch (DbException exception) when (SqlErrors.IsAccessDenied(exception))
        {
            // A user without that right measures on a server that tidies up when it likes.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        if (Dialect == SqlDialect.Sqlite)
        {
            SqliteConnection.ClearAllPools();
            foreach (var file in Directory.GetFiles(_folder, Name + ".db*"))
                File.Delete(file);
            return;
        }
        foreach (var sql in Sql.DropDatabase(Name))
            await OnServerAsync(sql, CancellationToken.None);
        _servers?.Dispose();
    }

    private async Task OnServerAsync(string sql, CancellationToken cancellationToken)
    {
        await using var source = DataSources.Create(Dialect, _server!);
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        await using var command = connection.Command(sql);
        command.CommandTimeout = 120;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
