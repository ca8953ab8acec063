using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Outbox.Sql;

/// <summary>The SQL of one database engine. All statements of the product are in the classes derived from this one.</summary>
/// <remarks>
/// Statements use named parameters (<c>@name</c>) only; no text from configuration or from a message becomes SQL.
/// Each derived file holds the same statements in the same order, so that two engines can be read side by side.
/// </remarks>
public abstract partial class SqlDialect
{
    private protected SqlDialect() => Parameter = Driver + "Parameter";

    /// <summary>SQL Server 2019 and later, and Azure SQL.</summary>
    public static SqlDialect SqlServer { get; } = new SqlServerDialect();

    /// <summary>PostgreSQL 13 and later.</summary>
    public static SqlDialect PostgreSql { get; } = new PostgreSqlDialect();

    /// <summary>MySQL 8.0.19 and later, and MariaDB 10.6 and later.</summary>
    public static SqlDialect MySql { get; } = new MySqlDialect();

    /// <summary>SQLite 3.38 and later.</summary>
    public static SqlDialect Sqlite { get; } = new SqliteDialect();

    /// <summary>Every engine, in the order in which they are shown to people.</summary>
    public static IReadOnlyList<SqlDialect> All { get; } = [SqlServer, PostgreSql, MySql, Sqlite];

    /// <summary>The engine's name in configuration.</summary>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Finds an engine by its name in configuration, in any case.</summary>
    public static bool TryParse(string? name, [NotNullWhen(true)] out SqlDialect? dialect)
    {
        // MariaDB's users look for its own name.
        if (string.Equals(name, "MariaDb", StringComparison.OrdinalIgnoreCase))
            name = MySql.Name;
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
            if (All.FirstOrDefault(d => d.Driver + "Connection" == type.FullName) is { } dialect)
                return dialect;
        }
        throw new OutboxConfigurationException(
            $"{connection.GetType().FullName} is no connection of a known driver ({string.Join(", ", All.Select(d => d.Driver + "Connection"))}). Pass the driver's own connection, not a wrapper around it.");
    }

    /// <summary>The engine that a parameter is for; null if it is of no known driver.</summary>
    internal static SqlDialect? OfParameter(DbParameter parameter)
    {
        var type = parameter.GetType().FullName;
        foreach (var dialect in All)
        {
            if (dialect.Parameter == type)
                return dialect;
        }
        return null;
    }

    // ── The driver ──────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>What the driver's class names begin with, namespace included: this assembly references no driver.</summary>
    internal abstract string Driver { get; }

    private string Parameter { get; }

    /// <summary>Gives a parameter the type that the engine's column has, where the driver would infer another one.</summary>
    internal virtual void Refine(DbParameter parameter)
    {
    }

    /// <summary>Reads a message id.</summary>
    internal virtual Guid ReadGuid(DbDataReader reader, int ordinal) => reader.GetGuid(ordinal);

    /// <summary>Reads a text that many rows have in common.</summary>
    internal virtual string ReadText(DbDataReader reader, int ordinal, TextCache cache) => reader.GetString(ordinal);

    /// <summary>Whether the driver copies a binary value into memory of ours without making an array of its own first.</summary>
    internal virtual bool CopiesBytes => true;

    /// <summary>The isolation level of a consumer's own transactions, where the engine's default is no good for an inbox.</summary>
    internal virtual System.Data.IsolationLevel ConsumerIsolation => System.Data.IsolationLevel.Unspecified;

    /// <summary>How a row can appear below one that was read before, and how it is known that none can any more.</summary>
    internal abstract LateRows LateRows { get; }

    // ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Creates what is missing, and brings tables of an earlier version to this one. Safe to run by many at once, and again.</summary>
    internal abstract string CreateTables { get; }

    /// <summary>Columns that later versions added to tables of earlier ones, for engines whose script cannot add what is missing by itself. Run for those that are missing, before the script.</summary>
    internal virtual IReadOnlyList<(string Table, string Column, string Statement)> AddedColumns => [];

    /// <summary>The same for indexes.</summary>
    internal virtual IReadOnlyList<(string Table, string Index, string Statement)> AddedIndexes => [];

    /// <summary>The schema version that the tables have.</summary>
    internal string ReadSchemaVersion { get; } = "SELECT max(version) FROM outbox_schema";

    /// <summary>Fails with "missing table" unless there is an outbox, of whatever version. Reads nothing.</summary>
    internal string FindOutbox { get; } = "SELECT sequence FROM outbox_messages WHERE 1 = 0";

    /// <summary>Fails with "missing table" or "missing column" unless the tables are there. Reads nothing.</summary>
    internal string CheckTables =>
        $"""
        SELECT sequence, message_id, {Partition}, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at FROM outbox_messages WHERE 1 = 0;
        SELECT sequence, message_id, {Partition}, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, published_at, outcome FROM outbox_archive WHERE 1 = 0;
        SELECT id, {Partition}, not_before, sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at FROM outbox_scheduled WHERE 1 = 0;
        SELECT name, owner, token, expires_at, acquired_at FROM leases WHERE 1 = 0;
        SELECT consumer, message_id, operation, received_at FROM inbox_messages WHERE 1 = 0;
        SELECT id, side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, first_failed_at, last_failed_at, state, {Partition}, sequence, key_sequence, created_at, expires_at FROM dead_letters WHERE 1 = 0;
        SELECT id, dead_letter_id, side, consumer, message_id, action, actor, reason, previous_body, acted_at FROM dead_letter_actions WHERE 1 = 0;
        SELECT id, consumer, message_id, partition_key, key_sequence, source, original_id, type, headers, content_type, body, state, attempts, reason, error, deferred_at, last_failed_at, next_attempt_at FROM deferred_messages WHERE 1 = 0;
        SELECT owner, started_at, expires_at, status FROM relays WHERE 1 = 0;
        SELECT name, type, last_seen_at FROM consumers WHERE 1 = 0;
        SELECT message_id, type, requested_at FROM receipt_requests WHERE 1 = 0;
        SELECT message_id, consumer, outcome, reason, occurred_at, received_at FROM receipts WHERE 1 = 0;
        SELECT consumer, source, partition_key, last_sequence, skipped FROM inbox_keys WHERE 1 = 0;
        SELECT consumer, owner, started_at, expires_at, status FROM consumer_status WHERE 1 = 0;
        SELECT transaction_id, coordinator, decision, reason, decided_by, branches, decided_at, outcome, finished_at FROM transaction_decisions WHERE 1 = 0;
        SELECT transaction_id, branch, created_at FROM transaction_markers WHERE 1 = 0;
        SELECT name, origin, incarnation, raised_at, raised_by, reason FROM transaction_coordinators WHERE 1 = 0;
        SELECT type, id, version, status, step, operation, round, attempt, entries, given_up, state, reason, trouble, created_at, updated_at, deadline FROM sagas WHERE 1 = 0;
        SELECT type, id, number, step, operation, event, attempt, message_id, actor, reason, happened_at FROM saga_steps WHERE 1 = 0;
        SELECT name, token FROM fences WHERE 1 = 0;
        SELECT id, partitions, next_partitions, changed_at FROM outbox_settings WHERE 1 = 0
        """;

    /// <summary>The columns that the database has: table, column, type as the script writes it, whether it is required (1 or 0), its place in the primary key (0 = none).</summary>
    internal abstract string DescribeColumns { get; }

    /// <summary>The names of the secondary indexes of the outbox's tables: table, index.</summary>
    internal abstract string DescribeIndexes { get; }

    /// <summary>Statements that a relay sends once on each connection of its own.</summary>
    internal abstract string PrepareRelayConnection { get; }

    /// <summary>What a relay sends further on the connection of its leases: what is written there must be on disk, or a token could come back.</summary>
    internal virtual string PrepareBeatConnection => "SELECT 1";

    /// <summary>How many partitions the outbox has.</summary>
    internal string ReadPartitions { get; } = "SELECT partitions FROM outbox_settings";

    /// <summary>The column's name, quoted where the engine has reserved the word.</summary>
    private protected virtual string Partition => "partition";

    // ── Outbox ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Writes one row. @message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, @not_before, @expires_at.</summary>
    internal string InsertMessage =>
        $"""
        INSERT INTO outbox_messages (message_id, {Partition}, partition_key, key_sequence, type, headers, content_type, body, not_before, expires_at)
        VALUES (@message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, @not_before, @expires_at)
        """;

    /// <summary>The committed rows above a sequence, in order: @partition, @after, @limit. Columns as <see cref="FetchMessages"/>.</summary>
    internal abstract string ReadMessages { get; }

    /// <summary>The committed rows of given sequences, in order: @partition, @sequences.
    /// Columns: sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at, seconds until due (null = now), expired.</summary>
    internal abstract string FetchMessages { get; }

    /// <summary>The sequences of the committed rows in some ranges, in order: @partition, @limit, and what <see cref="BindSpans"/> adds.</summary>
    internal abstract string ListSequences(IReadOnlyList<(long First, long Last)> spans);

    /// <summary>As <see cref="ListSequences"/>, with the rows of transactions that have not ended yet. Null where the engine cannot show them, or need not.</summary>
    internal abstract string? ListUncommitted(IReadOnlyList<(long First, long Last)> spans);

    /// <summary>Deletes published rows, if the lease still has this token (G5): @partition, @sequences, @lease, @token.</summary>
    internal abstract string SettleMessages { get; }

    /// <summary>Moves rows into the archive instead, with their @outcome. One statement, or several to be run one after the other in one transaction.</summary>
    internal abstract IReadOnlyList<string> ArchiveMessages { get; }

    /// <summary>Moves rows that are due later aside. As <see cref="ArchiveMessages"/>, without an outcome.</summary>
    internal abstract IReadOnlyList<string> ScheduleMessages { get; }

    /// <summary>The rows that were moved aside, the earliest due first: @partition, @limit. Columns: id, seconds until due (not above zero = due).</summary>
    internal abstract string ListScheduled { get; }

    /// <summary>Moves rows that are due back, the earliest first, with new sequences: @partition, @sequences (their ids), @lease, @token. Statements of one transaction.</summary>
    internal abstract IReadOnlyList<string> ReturnMessages { get; }

    /// <summary>Deletes up to @limit archived rows that were published more than @seconds ago, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldArchive { get; }

    /// <summary>The highest number that the outbox has given out, or null; with <see cref="ListWriters"/> it gives a floor below which nothing can appear any more. Null where the engine has no such list.</summary>
    internal abstract string? ReadLastSequence { get; }

    /// <summary>The transactions that may still commit a row with a number given out before now. Columns: the transaction; when it became idle, as text, or null if it is at work or this is not shown.</summary>
    internal abstract string? ListWriters { get; }

    /// <summary>Binds a list of sequences to a parameter.</summary>
    internal virtual object SequencesParameter(IReadOnlyList<long> sequences) => Json(sequences.Count, (json, i) => json.Append(CultureInfo.InvariantCulture, $"{sequences[i]}"));

    /// <summary>Binds the ranges of <see cref="ListSequences"/>.</summary>
    internal virtual void BindSpans(DbCommand command, IReadOnlyList<(long First, long Last)> spans) =>
        command.With("spans", Json(spans.Count, (json, i) => json.Append(CultureInfo.InvariantCulture, $"[{spans[i].First},{spans[i].Last}]")));

    // ── Leases ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Takes a free or expired lease and returns its new token, or no row: @name, @owner, @milliseconds.</summary>
    internal abstract string AcquireLease { get; }

    /// <summary>Extends a lease that is still held: @name, @token, @milliseconds.</summary>
    internal abstract string RenewLease { get; }

    /// <summary>Gives a lease up; the row stays so that its token never falls: @name, @token.</summary>
    internal abstract string ReleaseLease { get; }

    /// <summary>The leases whose names are like @pattern. Columns: name, owner, token, and the seconds that are left, not above 0 for one that is free.</summary>
    internal string ListLeases => $"SELECT name, owner, token, {SecondsUntil("expires_at")} FROM leases WHERE name LIKE @pattern";

    /// <summary>Deletes leases whose tokens nothing is fenced by, an hour after their end: @pattern.</summary>
    internal string DeleteOldLeases => $"DELETE FROM leases WHERE name LIKE @pattern AND {SecondsUntil("expires_at")} < -3600";

    /// <summary>The time at which a lease of @milliseconds that begins now ends.</summary>
    private protected abstract string Expiry { get; }

    /// <summary>Seconds from now to a time, negative when it has passed.</summary>
    private protected abstract string SecondsUntil(string time);

    /// <summary>The first row of a partition above a number, as <c>number</c> = its partition: @p<paramref name="i"/>, @f<paramref name="i"/>.</summary>
    private protected abstract string FirstRow(int i);

    /// <summary>Writes that a relay lives: @owner, @milliseconds, @status.</summary>
    private protected abstract string Heartbeat { get; }

    /// <summary>
    /// One sign of life of a relay: writes it, extends the leases that it still holds, and tells how things stand. @owner, @milliseconds, @status, and what <see cref="BindHeld"/> and <see cref="BindFloors"/> add.
    /// Columns: what, name, owner, number, seconds. A row <c>renewed</c> for each lease that was extended (name, token); <c>lease</c> for each lease of a partition (name, owner, token, seconds left);
    /// <c>relay</c> for each other relay that lives (name); <c>rows</c> for each partition that has rows above its floor (number); <c>settings</c> (number = the partitions, seconds = those to come, or 0).
    /// </summary>
    internal virtual string Beat(int held, int floors) =>
        $"""
        {Heartbeat};
        {(held == 0 ? "" : $"UPDATE leases SET expires_at = {Expiry} WHERE {AnyHeld(held)};")}
        {(held == 0 ? "" : $"SELECT 'renewed' AS what, name, '' AS owner, token AS number, 0.0 AS seconds FROM leases WHERE {AnyHeld(held)} UNION ALL")}
        {Standing(floors)}
        """;

    /// <summary>Tells what <see cref="Beat"/> tells, without writing: @owner, and what <see cref="BindFloors"/> adds. No row <c>renewed</c>.</summary>
    internal string Look(int floors) => Standing(floors);

    /// <summary>Whether the statements of <see cref="Beat"/> are cheaper as one transaction, although that takes calls of its own.</summary>
    internal virtual bool BeatsInTransaction => false;

    /// <summary>The partitions that have rows above their floors; what <see cref="BindFloors"/> adds.</summary>
    internal string FindRows(int floors) => string.Join(" UNION ALL ", Enumerable.Range(0, floors).Select(i => string.Create(CultureInfo.InvariantCulture, $"SELECT number FROM ({FirstRow(i)}) AS first{i}")));

    /// <summary>Takes a relay off the list, and those that have been dead for a day: @owner.</summary>
    internal string RemoveRelay => $"DELETE FROM relays WHERE owner = @owner OR {SecondsUntil("expires_at")} < -86400";

    // A lease that was given up while the statement was on its way stays given up, or nobody could take it until it ends once more.
    private protected string AnyHeld(int held) =>
        $"({string.Join(" OR ", Enumerable.Range(0, held).Select(i => string.Create(CultureInfo.InvariantCulture, $"(name = @n{i} AND token = @t{i})")))}) AND {SecondsUntil("expires_at")} > 0";

    private protected string Standing(int floors) =>
        $"""
        SELECT 'lease' AS what, name, owner, token AS number, {SecondsUntil("expires_at")} AS seconds FROM leases WHERE name LIKE 'relay/%'
        UNION ALL SELECT 'relay', owner, owner, 0, {SecondsUntil("expires_at")} FROM relays WHERE {SecondsUntil("expires_at")} > 0 AND owner <> @owner
        UNION ALL SELECT 'settings', '', '', partitions, COALESCE(next_partitions, 0) FROM outbox_settings
        {(floors == 0 ? "" : $"UNION ALL SELECT 'rows', '', '', number, 0 FROM ({FindRows(floors)}) AS found")}
        """;

    /// <summary>Binds the leases of <see cref="Beat"/>.</summary>
    internal static void BindHeld(DbCommand command, IReadOnlyList<(string Name, long Token)> held)
    {
        for (var i = 0; i < held.Count; i++)
            command.With(string.Create(CultureInfo.InvariantCulture, $"n{i}"), held[i].Name).With(string.Create(CultureInfo.InvariantCulture, $"t{i}"), held[i].Token);
    }

    /// <summary>Binds the partitions of <see cref="FindRows"/>.</summary>
    internal static void BindFloors(DbCommand command, IReadOnlyList<(short Partition, long Floor)> floors)
    {
        for (var i = 0; i < floors.Count; i++)
            command.With(string.Create(CultureInfo.InvariantCulture, $"p{i}"), floors[i].Partition).With(string.Create(CultureInfo.InvariantCulture, $"f{i}"), floors[i].Floor);
    }

    /// <summary>Returns one row if the lease still has this token: @name, @token.</summary>
    internal string CheckLease { get; } = "SELECT 1 FROM leases WHERE name = @name AND token = @token";

    // ── Inbox ───────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Records a message; one row affected means that it is new: @consumer, @message_id, @operation.</summary>
    internal abstract string InsertInbox { get; }

    /// <summary>Records many messages: @consumer, @message_ids, @operation. Returns the ids that are new, or nothing on engines with <see cref="FindInbox"/>. May fail with "duplicate key" when another session records one of them at this moment.</summary>
    internal abstract string InsertManyInbox { get; }

    /// <summary><see cref="InsertManyInbox"/> for messages that are all new, where that costs less: @consumer, @message_ids, @operation. Fails with "duplicate key" if one is known. Null where it costs the same.</summary>
    internal virtual string? InsertNewInbox => null;

    /// <summary>For engines whose insert cannot tell which rows are new: those that are there already: @consumer, @message_ids, @operation.</summary>
    internal virtual string? FindInbox => null;

    /// <summary>Binds a list of message ids to a parameter.</summary>
    internal virtual object MessageIdsParameter(IReadOnlyList<Guid> messageIds) => Json(messageIds.Count, (json, i) => json.Append('"').Append(messageIds[i].ToString("D")).Append('"'));

    /// <summary>Deletes up to @limit rows of a @consumer that are older than @seconds, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldInbox { get; }

    /// <summary>Sets a message aside, or counts another failure of one that is already there:
    /// @side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts, @state.</summary>
    internal abstract string InsertDeadLetter { get; }

    /// <summary>Moves rows of the outbox to the dead letters: @partition, @sequences, @lease, @token (G5), @source, @letters: a JSON list of sequence, attempts, reason, age in seconds and state. Statements of one transaction.</summary>
    internal abstract IReadOnlyList<string> DeadLetterMessages { get; }

    /// <summary>The dead letters of a @partition that block their keys. Columns: partition_key, sequence, type, reason, seconds since the first failure.</summary>
    internal abstract string ReadBlocking { get; }

    /// <summary>Moves the relay's dead letters back into the outbox: @ids. Those that block a key return to their old places, so that they go before the later rows of it; the others are numbered anew. Statements of one transaction.</summary>
    internal abstract IReadOnlyList<string> RedriveDeadLetters { get; }

    /// <summary>Closes dead letters for good, and keeps them: @ids, @note.</summary>
    internal abstract string DiscardDeadLetters { get; }

    // ── For people ──────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>How much waits in a partition: @partition, @limit. Columns: the rows, counted up to @limit; the numbers from the lowest row to the highest one, null without rows;
    /// seconds since the oldest of the first thousand rows could have been published, null if none can.</summary>
    internal abstract string ReadBacklog { get; }

    /// <summary>What does not flow: @partitions, @limit. Columns: keys that wait for an operator, dead letters that wait for one, scheduled rows, rows in partitions that nobody reads, messages that consumers have deferred; each counted up to @limit, the keys among so many letters.</summary>
    internal abstract string ReadAside { get; }

    /// <summary>What the live relays say of what does not flow. Column: status.</summary>
    internal abstract string ReadRelayStatus { get; }

    /// <summary>What a replay has before it: @from, @to (of <c>published_at</c>), @type, @key (each null for any), @after. Columns: rows, the lowest and the highest sequence.</summary>
    internal abstract string MeasureArchive { get; }

    /// <summary>Archived rows above @after and up to @last, in order: as <see cref="MeasureArchive"/>, and @limit.
    /// Columns: sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at.</summary>
    internal abstract string ReadArchive { get; }

    /// <summary>A partition that holds rows and that nobody reads, because it lies outside of @partitions; null if there is none. Two ends of the primary key, not a scan.</summary>
    internal virtual string StrayPartition =>
        $"""
        SELECT CASE WHEN highest >= @partitions THEN highest WHEN lowest < 0 THEN lowest END
        FROM (SELECT (SELECT max({Partition}) FROM outbox_messages) AS highest, (SELECT min({Partition}) FROM outbox_messages) AS lowest) AS ends
        """;

    private static string Json(int count, Action<StringBuilder, int> append)
    {
        var json = new StringBuilder("[");
        for (var i = 0; i < count; i++)
        {
            if (i > 0)
                json.Append(',');
            append(json, i);
        }
        return json.Append(']').ToString();
    }
}
