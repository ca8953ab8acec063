using System.Data.Common;

namespace Outbox.Sql;

internal sealed partial class PostgreSqlDialect : SqlDialect
{
    public override string Name => "PostgreSql";

    internal override string Driver => "Npgsql.Npgsql";

    internal override LateRows LateRows => LateRows.UntilWritersEnd;

    // The driver hands out the bytes of a text as they came.
    internal override string ReadText(DbDataReader reader, int ordinal, TextCache cache)
    {
        var length = (int)reader.GetBytes(ordinal, 0, cache.Buffer, 0, cache.Buffer.Length);
        return length == cache.Buffer.Length ? reader.GetString(ordinal) : cache.Find(length) ?? cache.Add(length, reader.GetString(ordinal));
    }

    // The table is nearly empty whenever it is analysed, so a backlog would get the plan of an empty table. The relay's own sessions may only walk the primary key, row by row.
    // A settle need not wait for the disk: one that a crash of the server takes back is published again, and never lost (G2). Leases have connections of their own, which do wait.
    internal override string PrepareRelayConnection =>
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET default_transaction_isolation = 'read committed'; SET synchronous_commit = off";

    internal override string PrepareBeatConnection => "SET synchronous_commit = on";

    private const string Columns =
        """
        sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at,
        CASE WHEN not_before > clock_timestamp() THEN extract(epoch FROM least(not_before, clock_timestamp() + interval '10000 days') - clock_timestamp())::double precision END,
        coalesce(expires_at <= clock_timestamp(), false)
        """;

    internal override string ReadMessages => $"SELECT {Columns} FROM outbox_messages WHERE partition = @partition AND sequence > @after ORDER BY partition, sequence LIMIT @limit";

    // LATERAL with OFFSET 0 leaves the planner one way only: each wanted number, one look into the primary key. A plain join it turns round as soon as the table was
    // analysed while it was empty, and then compares the whole backlog with each wanted number: a batch that takes milliseconds takes ten seconds.
    internal override string FetchMessages =>
        $"""
        SELECT row.* FROM unnest(@sequences::bigint[]) AS wanted (number)
        CROSS JOIN LATERAL (SELECT {Columns} FROM outbox_messages WHERE partition = @partition AND sequence = number OFFSET 0) AS row ORDER BY sequence
        """;

    internal override string ListSequences(IReadOnlyList<(long First, long Last)> spans) =>
        """
        SELECT row.sequence FROM unnest(@low::bigint[], @high::bigint[]) AS span (low, high)
        CROSS JOIN LATERAL (SELECT sequence FROM outbox_messages WHERE partition = @partition AND sequence BETWEEN low AND high OFFSET 0) AS row ORDER BY row.sequence LIMIT @limit
        """;

    internal override string? ListUncommitted(IReadOnlyList<(long First, long Last)> spans) => null;

    // FOR KEY SHARE: the holder can renew meanwhile (expires_at is in no unique key), a thief's new token waits until this delete has committed.
    // By their places, which a list of sub-look-ups gives: see FetchMessages. Rows are never updated, so a place stays true within the statement.
    internal override string SettleMessages =>
        $"""
        WITH held AS (SELECT 1 FROM leases WHERE name = @lease AND token = @token FOR KEY SHARE)
        DELETE FROM outbox_messages USING held WHERE ctid = ANY({Places})
        """;

    private const string Places =
        """
        ARRAY(SELECT row.place FROM unnest(@sequences::bigint[]) AS settled (number)
            CROSS JOIN LATERAL (SELECT ctid AS place FROM outbox_messages WHERE partition = @partition AND sequence = number OFFSET 0) AS row)
        """;

    internal override IReadOnlyList<string> ArchiveMessages =>
    [
        $"""
        WITH held AS (SELECT 1 FROM leases WHERE name = @lease AND token = @token FOR KEY SHARE),
        gone AS (DELETE FROM outbox_messages AS m USING held WHERE m.ctid = ANY({Places}) RETURNING m.*)
        INSERT INTO outbox_archive (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, outcome)
        SELECT sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, @outcome FROM gone
        ON CONFLICT DO NOTHING
        """,
    ];

    internal override string DeleteOldArchive => DeleteOld("outbox_archive", "published_at");

    internal override string? ReadLastSequence => "SELECT pg_sequence_last_value(pg_get_serial_sequence('outbox_messages', 'sequence')::regclass)";

    // An INSERT locks the table before it evaluates nextval, and keeps that lock until its transaction has ended, prepared transactions included.
    // xid horizons do not serve here: nextval mostly takes no xid, so a number can be given out before its transaction has one.
    internal override string? ListWriters =>
        """
        SELECT DISTINCT l.virtualtransaction, CASE WHEN l.pid IS NULL THEN 'prepared' WHEN a.state LIKE 'idle in transaction%' THEN a.state_change::text END
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'relation' AND l.relation = 'outbox_messages'::regclass AND l.mode = 'RowExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """;

    internal override object SequencesParameter(IReadOnlyList<long> sequences) => sequences is List<long> list ? list : sequences.ToArray();

    internal override void BindSpans(DbCommand command, IReadOnlyList<(long First, long Last)> spans) =>
        command.With("low", spans.Select(s => s.First).ToArray()).With("high", spans.Select(s => s.Last).ToArray());

    private protected override string Expiry => "clock_timestamp() + @milliseconds * interval '1 millisecond'";

    // A lease that was given up ended at -infinity, from which nothing can be subtracted.
    private protected override string SecondsUntil(string time) => $"extract(epoch FROM greatest({time}, clock_timestamp() - interval '100 days') - clock_timestamp())::double precision";

    private protected override string FirstRow(int i) => FormattableString.Invariant($"SELECT partition AS number FROM outbox_messages WHERE partition = @p{i} AND sequence > @f{i} ORDER BY partition, sequence LIMIT 1");

    private protected override string Heartbeat =>
        $"""
        INSERT INTO relays (owner, expires_at, status) VALUES (@owner, {Expiry}, @status)
        ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at, status = excluded.status
        """;

    // One statement: what it selects is from before what it writes, so the leases that were extended are told by the update itself.
    internal override string Beat(int held, int floors) =>
        $"""
        WITH alive AS ({Heartbeat}){(held == 0 ? "" : $", renewed AS (UPDATE leases SET expires_at = {Expiry} WHERE {AnyHeld(held)} RETURNING name, token)")}
        {(held == 0 ? "" : "SELECT 'renewed' AS what, name, '' AS owner, token AS number, 0::double precision AS seconds FROM renewed UNION ALL")}
        {Standing(floors)}
        """;

    internal override string AcquireLease =>
        $"""
        INSERT INTO leases AS held (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, 1, {Expiry}, clock_timestamp())
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = held.token + 1, expires_at = {Expiry}, acquired_at = clock_timestamp()
        WHERE held.expires_at <= clock_timestamp()
        RETURNING token
        """;

    internal override string RenewLease => $"UPDATE leases SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    // A release that a crash forgets runs out by itself, so nobody waits for the disk.
    internal override string ReleaseLease => $"UPDATE leases SET expires_at = {Ended} WHERE name = @name AND token = @token RETURNING {WithoutWaitingForTheDisk}";

    internal override string InsertInbox => "INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation) ON CONFLICT DO NOTHING";

    internal override string InsertManyInbox =>
        """
        INSERT INTO inbox_messages (consumer, message_id, operation) SELECT @consumer, id, @operation FROM unnest(@message_ids::uuid[]) AS message (id)
        ON CONFLICT DO NOTHING RETURNING message_id
        """;

    // ON CONFLICT looks before it writes, and writes so that it could still take it back.
    internal override string? InsertNewInbox => "INSERT INTO inbox_messages (consumer, message_id, operation) SELECT @consumer, id, @operation FROM unnest(@message_ids::uuid[]) AS message (id)";

    internal override object MessageIdsParameter(IReadOnlyList<Guid> messageIds) => messageIds.ToArray();

    // By age, whatever the statistics say of the consumers: the planner must not take the primary key, or the whole table, for the shorter way.
    // What a crash brings back is forgotten again, so the locks need not wait for the disk.
    internal override string DeleteOldInbox => DeleteOldInboxOf("operation = ''");

    private string DeleteOldInboxOf(string operation) =>
        $"""
        SET LOCAL synchronous_commit TO off;
        {DeleteOld("inbox_messages", "received_at", Hidden($"consumer = @consumer AND {operation}"))}
        """;

    internal override string InsertDeadLetter =>
        """
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, state)
        VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts, @state)
        ON CONFLICT (side, consumer, message_id) DO UPDATE SET reason = excluded.reason, error = excluded.error,
            attempts = dead_letters.attempts + excluded.attempts, last_failed_at = clock_timestamp(), state = excluded.state
        """;

    internal override string ReadBacklog =>
        """
        SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_messages WHERE partition = @partition LIMIT @limit) AS rows) AS counted,
            (SELECT max(sequence) FROM outbox_messages WHERE partition = @partition) - (SELECT min(sequence) FROM outbox_messages WHERE partition = @partition) + 1 AS span,
            (SELECT extract(epoch FROM clock_timestamp() - min(greatest(created_at, not_before)))::double precision
             FROM (SELECT created_at, not_before FROM outbox_messages WHERE partition = @partition ORDER BY partition, sequence LIMIT 1000) AS first
             WHERE greatest(created_at, not_before) <= clock_timestamp()) AS seconds
        """;
}
