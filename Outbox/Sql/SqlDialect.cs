using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace Outbox.Sql;

/// <summary>The SQL of one database engine. All statements of the product are in the classes derived from this one.</summary>
/// <remarks>
/// Statements use named parameters (<c>@name</c>) only; no text from configuration or from a message becomes SQL.
/// Each derived file holds the same statements in the same order, so that two engines can be read side by side.
/// </remarks>
public abstract class SqlDialect
{
    private protected SqlDialect()
    {
    }

    /// <summary>PostgreSQL 13 and later.</summary>
    public static SqlDialect PostgreSql { get; } = new PostgreSqlDialect();

    /// <summary>SQLite 3.38 and later.</summary>
    public static SqlDialect Sqlite { get; } = new SqliteDialect();

    /// <summary>Every engine, in the order in which they are shown to people.</summary>
    public static IReadOnlyList<SqlDialect> All { get; } = [PostgreSql, Sqlite];

    /// <summary>The engine's name in configuration.</summary>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Finds an engine by its name in configuration, in any case.</summary>
    public static bool TryParse(string? name, [NotNullWhen(true)] out SqlDialect? dialect)
    {
        dialect = All.FirstOrDefault(d => string.Equals(d.Name, name, StringComparison.OrdinalIgnoreCase));
        return dialect is not null;
    }

    /// <summary>The engine that a connection speaks to.</summary>
    /// <exception cref="OutboxConfigurationException">The connection is of no known driver.</exception>
    public static SqlDialect Of(DbConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        for (var type = connection.GetType(); type is not null; type = type.BaseType)
        {
            if (All.FirstOrDefault(d => d.ConnectionType == type.FullName) is { } dialect)
                return dialect;
        }
        throw new OutboxConfigurationException(
            $"{connection.GetType().FullName} is no connection of a known driver ({string.Join(", ", All.Select(d => d.ConnectionType))}). Pass the driver's own connection, not a wrapper around it.");
    }

    /// <summary>Full name of the driver's connection class: this assembly references no driver.</summary>
    internal abstract string ConnectionType { get; }

    /// <summary>Whether a transaction that takes its number earlier also commits earlier, so that a reader cannot pass a row that is still hidden.</summary>
    internal abstract bool CommitsInSequenceOrder { get; }

    // ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Creates what is missing. Safe to run by many at once, and again.</summary>
    internal abstract string CreateTables { get; }

    /// <summary>Fails with "missing table" or "missing column" unless the tables are there. Reads nothing.</summary>
    internal string CheckTables { get; } =
        """
        SELECT sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at FROM outbox_messages WHERE 1 = 0;
        SELECT name, owner, token, expires_at FROM leases WHERE 1 = 0;
        """;

    /// <summary>Statements that a relay sends once on each connection of its own.</summary>
    internal abstract string PrepareRelayConnection { get; }

    // ── Outbox ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Writes one row. @message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, @not_before, @expires_at.</summary>
    internal virtual string InsertMessage =>
        """
        INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, not_before, expires_at)
        VALUES (@message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, @not_before, @expires_at)
        """;

    /// <summary>The committed rows above a sequence, in order: @partition, @after, @limit. Columns as <see cref="FetchMessages"/>.</summary>
    internal abstract string ReadMessages { get; }

    /// <summary>The committed rows of given sequences, in order: @partition, @sequences.
    /// Columns: sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at, seconds until due (null = now), expired.</summary>
    internal abstract string FetchMessages { get; }

    /// <summary>The sequences of the committed rows in a range, in order: @partition, @after, @upto.</summary>
    internal virtual string ListSequences => "SELECT sequence FROM outbox_messages WHERE partition = @partition AND sequence > @after AND sequence <= @upto ORDER BY sequence";

    /// <summary>Deletes published rows, if the lease still has this token (G5): @partition, @sequences, @lease, @token.</summary>
    internal abstract string SettleMessages { get; }

    /// <summary>The highest number that the outbox has given out, or null; with <see cref="ListWriters"/> it gives a floor below which nothing can appear any more. Null where the engine needs none.</summary>
    internal abstract string? ReadLastSequence { get; }

    /// <summary>The transactions that may still commit a row with a number given out before now, as text.</summary>
    internal abstract string? ListWriters { get; }

    /// <summary>Binds a list of sequences to a parameter.</summary>
    internal abstract object SequencesParameter(IReadOnlyList<long> sequences);

    // ── Leases ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Takes a free or expired lease and returns its new token, or no row: @name, @owner, @milliseconds.</summary>
    internal abstract string AcquireLease { get; }

    /// <summary>Extends a lease that is still held: @name, @token, @milliseconds.</summary>
    internal abstract string RenewLease { get; }

    /// <summary>Gives a lease up; the row stays so that its token never falls: @name, @token.</summary>
    internal abstract string ReleaseLease { get; }

    /// <summary>Returns one row if the lease still has this token: @name, @token.</summary>
    internal virtual string CheckLease => "SELECT 1 FROM leases WHERE name = @name AND token = @token";

    // ── Inbox ───────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Records a message; one row affected means that it is new: @consumer, @message_id, @operation.</summary>
    internal virtual string InsertInbox =>
        "INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation) ON CONFLICT DO NOTHING";

    /// <summary>Deletes up to @limit rows older than @seconds.</summary>
    internal abstract string DeleteOldInbox { get; }

    /// <summary>Sets a message aside, or counts another failure of one that is already there:
    /// @side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts.</summary>
    internal abstract string InsertDeadLetter { get; }

    // ── For people ──────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Rows waiting, up to @limit, of all partitions.</summary>
    internal virtual string CountBacklog => "SELECT count(*) FROM (SELECT 1 FROM outbox_messages LIMIT @limit) AS waiting";

    /// <summary>Partitions that hold rows, at or above @partitions: nobody reads them.</summary>
    internal virtual string StrayPartition => "SELECT max(partition) FROM outbox_messages WHERE partition >= @partitions OR partition < 0";
}
