using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>An empty database of its own for one test: a SQLite file, a schema on the PostgreSQL server, a database on the others.</summary>
internal abstract class TestDatabase : IAsyncDisposable
{
    protected TestDatabase(SqlDialect dialect, DbDataSource dataSource) => (Dialect, DataSource) = (dialect, dataSource);

    public SqlDialect Dialect { get; }

    public DbDataSource DataSource { get; }

    public string ConnectionString => DataSource.ConnectionString;

    /// <summary>The engines that tests run on.</summary>
    public static IReadOnlyList<SqlDialect> Engines => SqlDialect.All;

    /// <summary>Those of them that Entity Framework has a provider for.</summary>
    public static IReadOnlyList<SqlDialect> EnginesOfEntityFramework => [.. SqlDialect.All.Where(d => d != SqlDialect.MySql)];

    /// <summary>An empty database, or one with the outbox's tables.</summary>
    public static async Task<TestDatabase> CreateAsync(SqlDialect dialect, bool withTables = true)
    {
        TestDatabase database = dialect.Name switch
        {
            "Sqlite" => TestSqlite.Create(),
            "MySql" => await TestMySql.CreateAsync(),
            "SqlServer" => await TestSqlServer.CreateAsync(),
            "PostgreSql" => await TestPostgreSql.CreateAsync(),
            _ => throw new NotSupportedException($"{dialect} has no test database. Add a class derived from TestDatabase."),
        };
        if (withTables)
            await database.CreateTablesAsync();
        return database;
    }

    /// <summary>Points a context at this database.</summary>
    public abstract void Configure(DbContextOptionsBuilder options);

    /// <summary>The column's name in a statement.</summary>
    public virtual string Partition => "partition";

    /// <summary>The body as text.</summary>
    public abstract string Body { get; }

    /// <summary>A time by the database's clock, as a producer writes it into a statement.</summary>
    public abstract string Time(TimeSpan fromNow);

    /// <summary>A value as text.</summary>
    public virtual string Text(string expression) => $"CAST({expression} AS text)";

    /// <summary>The first rows of a query.</summary>
    public virtual string Limit(string select, int rows) => FormattableString.Invariant($"{select} LIMIT {rows}");

    /// <summary>How many sessions of this database wait for a lock of another.</summary>
    public abstract Task<int> WaitingSessionsAsync();

    /// <summary>A query that sees what is committed and waits for nobody, where the engine does not do so by itself.</summary>
    private protected virtual string Committed(string query) => query;

    public async Task CreateTablesAsync()
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await OutboxSchema.CreateAsync(connection, "The test", CancellationToken.None);
    }

    /// <summary>The same database as it is on a standby: it answers, and takes no writes.</summary>
    public virtual DbDataSource CreateReadOnly() => throw new NotSupportedException($"{Dialect} has no read-only connections here.");

    public async Task<int> ExecuteAsync(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return await With(connection.Command(sql), parameters).ExecuteAsync(CancellationToken.None);
    }

    public async Task<T?> ScalarAsync<T>(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        var value = await With(connection.Command(sql), parameters).ScalarAsync(CancellationToken.None);
        return value is null ? default : (T)Convert.ChangeType(value, Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The rows of a query, each value as text; null stays null.</summary>
    public async Task<IReadOnlyList<string?[]>> QueryAsync(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await using var command = With(connection.Command(Committed(sql)), parameters);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string?[]>();
        while (await reader.ReadAsync())
        {
            rows.Add([.. Enumerable.Range(0, reader.FieldCount)
                .Select(i => reader.IsDBNull(i) ? null : Convert.ToString(reader.GetValue(i), System.Globalization.CultureInfo.InvariantCulture))]);
        }
        return rows;
    }

    /// <summary>Sets the number of partitions of an outbox that nobody uses yet.</summary>
    public Task SetPartitionsAsync(int partitions) => ExecuteAsync("UPDATE outbox_settings SET partitions = @partitions", ("partitions", (short)partitions));

    public Task<long> CountAsync(string table) => ScalarAsync<long>(Committed($"SELECT count(*) FROM {table}"));

    /// <summary>Writes an outbox row as a program in any language would. Returns its id.</summary>
    public async Task<Guid> InsertAsync(string type = "tests.something.v1", string? key = null, string body = "{}", DbTransaction? transaction = null)
    {
        var id = Guid.CreateVersion7();
        var connection = transaction?.Connection ?? await DataSource.OpenConnectionAsync();
        try
        {
            await connection.Command("INSERT INTO outbox_messages (message_id, type, partition_key, body) VALUES (@id, @type, @key, @body)", transaction)
                .With("id", id).With("type", type).With("key", key, System.Data.DbType.String).With("body", System.Text.Encoding.UTF8.GetBytes(body))
                .ExecuteAsync(CancellationToken.None);
        }
        finally
        {
            if (transaction is null)
                await connection.DisposeAsync();
        }
        return id;
    }

    public virtual ValueTask DisposeAsync() => DataSource.DisposeAsync();

    private static DbCommand With(DbCommand command, (string Name, object? Value)[] parameters)
    {
        foreach (var (name, value) in parameters)
            command.With(name, value);
        return command;
    }
}
