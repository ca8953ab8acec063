using System.Globalization;
using System.Text;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>SQL that only measurements need: scratch databases, rows by the thousand, and what the relay and the inbox are compared with. The product's own is in Outbox/Sql.</summary>
internal sealed class BenchSql
{
    /// <summary>Accounts that writers update, so that each commit has business data too.</summary>
    public const int Accounts = 1_000;

    private readonly string _engine;
    private readonly string _partition;

    private BenchSql(SqlDialect dialect) => (_engine, _partition) = (dialect.Name, dialect == SqlDialect.MySql ? "`partition`" : "partition");

    public static BenchSql Of(SqlDialect dialect) => new(dialect);

    public string? CreateDatabase(string name) => _engine == "Sqlite" ? null : $"CREATE DATABASE {name}";

    public IReadOnlyList<string> DropDatabase(string name) => _engine switch
    {
        "PostgreSql" => [$"DROP DATABASE IF EXISTS {name} WITH (FORCE)"],
        "SqlServer" => [$"IF DB_ID('{name}') IS NOT NULL ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE", $"DROP DATABASE IF EXISTS {name}"],
        "MySql" => [$"DROP DATABASE IF EXISTS {name}"],
        _ => [],
    };

    public IReadOnlyList<string> CreateBusinessTables { get; } =
    [
        "CREATE TABLE bench_accounts (id int NOT NULL PRIMARY KEY, balance bigint NOT NULL)",
        $"INSERT INTO bench_accounts (id, balance) VALUES {string.Join(", ", Enumerable.Range(0, Accounts).Select(i => string.Create(CultureInfo.InvariantCulture, $"({i}, 0)")))}",
        "CREATE TABLE bench_effects (message_id varchar(36) NOT NULL PRIMARY KEY)",
    ];

    public string UpdateAccount { get; } = "UPDATE bench_accounts SET balance = balance + 1 WHERE id = @id";

    public string InsertEffect { get; } = "INSERT INTO bench_effects (message_id) VALUES (@message_id)";

    /// <summary>The same for many messages, at most 1,000.</summary>
    public static string InsertEffects(IEnumerable<Guid> ids) => $"INSERT INTO bench_effects (message_id) VALUES {string.Join(',', ids.Select(id => $"('{id}')"))}";

    public string CountEffects { get; } = "SELECT count(*) FROM bench_effects";

    public IReadOnlyList<string> ForgetRows { get; } = ["DELETE FROM bench_effects", "DELETE FROM inbox_messages", "DELETE FROM outbox_messages", "DELETE FROM deferred_messages", "DELETE FROM dead_letters"];

    /// <summary>The inbox as it is often written: look first, then insert.</summary>
    public string FindInbox { get; } = "SELECT count(*) FROM inbox_messages WHERE consumer = @consumer AND message_id = @message_id";

    public string InsertInbox { get; } = "INSERT INTO inbox_messages (consumer, message_id) VALUES (@consumer, @message_id)";

    public string CountRows { get; } = "SELECT count(*) FROM outbox_messages";

    /// <summary>What a database does in its own time after many deletes: done now, so that no run pays for the one before.</summary>
    public string? TidyUp => _engine == "PostgreSql" ? "VACUUM (ANALYZE) outbox_messages" : null;

    /// <summary>What a database does in its own time, and would else do in the middle of a run. Before many inserts.</summary>
    /// <remarks>After it PostgreSQL writes each page that is changed for the first time into its log as a whole. A relay seldom meets such pages: what it deletes was inserted a moment before.</remarks>
    public string? CheckpointBefore => _engine == "PostgreSql" ? "CHECKPOINT" : null;

    /// <summary>The same after many inserts.</summary>
    public string? CheckpointAfter => _engine switch
    {
        "SqlServer" => "CHECKPOINT",
        "Sqlite" => "PRAGMA wal_checkpoint(TRUNCATE)",
        _ => null,
    };

    /// <summary>For an outbox that has no rows and no relay yet.</summary>
    public static string SetPartitions(int partitions) => string.Create(CultureInfo.InvariantCulture, $"UPDATE outbox_settings SET partitions = {partitions}");

    /// <summary>The popular loop's read.</summary>
    public string ReadHundred => _engine == "SqlServer"
        ? "SELECT TOP (100) sequence, message_id, type, body FROM outbox_messages WHERE partition = 0 ORDER BY sequence"
        : $"SELECT sequence, message_id, type, body FROM outbox_messages WHERE {_partition} = 0 ORDER BY sequence LIMIT 100";

    /// <summary>The popular loop's mark, after a whole batch.</summary>
    public string DeleteRows(IEnumerable<long> sequences) => $"DELETE FROM outbox_messages WHERE {_partition} = 0 AND sequence IN ({string.Join(',', sequences.Select(s => s.ToString(CultureInfo.InvariantCulture)))})";

    /// <summary>Statements so far, of all scratch databases whose names begin with <c>@prefix</c> or of the whole server; the last column is the number. Null: the server does not tell.</summary>
    public string? CountStatements => _engine switch
    {
        "PostgreSql" => "SELECT coalesce(sum(xact_commit + xact_rollback), 0) FROM pg_stat_database WHERE datname LIKE @prefix || '%'",
        "MySql" => "SHOW GLOBAL STATUS LIKE 'Questions'",
        "SqlServer" => "SELECT cntr_value FROM sys.dm_os_performance_counters WHERE counter_name = 'Batch Requests/sec'",
        _ => null,
    };

    /// <summary>Rows for one statement: as many as its text and its parameter may hold.</summary>
    public int RowsPerStatement(int bytes) => _engine switch
    {
        "SqlServer" => 1_000,
        // Its driver writes the parameter into the text for each row, and a packet has 16 MiB.
        "MySql" => Math.Clamp(6 * 1024 * 1024 / ((2 * bytes) + 200), 1, 5_000),
        _ => 5_000,
    };

    /// <summary>Inserts rows with <c>@body</c>, ids of their own, and keys drawn evenly.</summary>
    public string InsertRows(int rows, int keys, int partitions, Random random)
    {
        var sql = new StringBuilder($"INSERT INTO outbox_messages (message_id, {_partition}, partition_key, type, body) VALUES ", 120 * rows);
        for (var i = 0; i < rows; i++)
        {
            var key = keys == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"key-{random.Next(keys)}");
            sql.Append(i == 0 ? "('" : ",('").Append(Guid.CreateVersion7()).Append("',").Append(Partitioner.PartitionOf(key, partitions)).Append(',')
                .Append(key is null ? "NULL" : $"'{key}'").Append(",'").Append(BenchMessage.Type).Append("',@body)");
        }
        return sql.ToString();
    }
}
