namespace Outbox.Sql;

internal sealed partial class SqliteDialect : SqlDialect
{
    public override string Name => "Sqlite";

    internal override string Driver => "Microsoft.Data.Sqlite.Sqlite";

    // One writer at a time holds the file from its first write to its commit.
    internal override LateRows LateRows => LateRows.Never;

    internal override bool CopiesBytes => false;

    private const string Now = "strftime('%Y-%m-%d %H:%M:%f', 'now')";

    // WAL lets the relay read while services write; it is a property of the file and stays. Nothing else may be set here that changes what a commit means: with the relay in the service,
    // the pool hands this connection to the service too.
    internal override string PrepareRelayConnection => $"{Patience}; PRAGMA journal_mode = WAL";

    // The driver looks at a busy file only every 150 ms and so never gets its turn beside a service that writes all the time: leases ran out. SQLite itself looks after 1, 2, 5 … 100 ms.
    private const string Patience = "PRAGMA busy_timeout = 1000";

    private const string Columns =
        $"""
        sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at,
        CASE WHEN not_before > {Now} THEN (julianday(not_before) - julianday('now')) * 86400.0 END,
        coalesce(expires_at <= {Now}, 0)
        """;

    internal override string ReadMessages => $"SELECT {Columns} FROM outbox_messages WHERE sequence > @after AND partition = @partition ORDER BY sequence LIMIT @limit";

    internal override string FetchMessages => $"SELECT {Columns} FROM outbox_messages WHERE sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition ORDER BY sequence";

    internal override string ListSequences(IReadOnlyList<(long First, long Last)> spans) =>
        """
        SELECT sequence FROM json_each(@spans) AS span JOIN outbox_messages ON sequence BETWEEN json_extract(span.value, '$[0]') AND json_extract(span.value, '$[1]') AND partition = @partition
        ORDER BY sequence LIMIT @limit
        """;

    internal override string? ListUncommitted(IReadOnlyList<(long First, long Last)> spans) => null;

    internal override string SettleMessages =>
        """
        DELETE FROM outbox_messages WHERE sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition
        AND EXISTS (SELECT 1 FROM leases WHERE name = @lease AND token = @token)
        """;

    internal override IReadOnlyList<string> ArchiveMessages =>
    [
        """
        INSERT OR IGNORE INTO outbox_archive (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, outcome)
        SELECT sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, @outcome FROM outbox_messages
        WHERE sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition AND EXISTS (SELECT 1 FROM leases WHERE name = @lease AND token = @token)
        """,
        SettleMessages,
    ];

    internal override string DeleteOldArchive => DeleteOld("outbox_archive", "published_at");

    internal override string? ReadLastSequence => null;

    internal override string? ListWriters => null;


    private protected override string Expiry => "strftime('%Y-%m-%d %H:%M:%f', 'now', '+' || (@milliseconds / 1000.0) || ' seconds')";

    // A lease that was given up has no time.
    private protected override string SecondsUntil(string time) => $"coalesce((julianday({time}) - julianday('now')) * 86400.0, -8640000)";

    private protected override string FirstRow(int i) => FormattableString.Invariant($"SELECT partition AS number FROM outbox_messages WHERE partition = @p{i} AND sequence > @f{i} ORDER BY sequence LIMIT 1");

    // A call costs nothing here, a commit waits for the disk.
    internal override bool BeatsInTransaction => true;

    private protected override string Heartbeat => $"INSERT INTO relays (owner, expires_at, status) VALUES (@owner, {Expiry}, @status) ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at, status = excluded.status";

    internal override string AcquireLease =>
        $"""
        INSERT INTO leases (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, 1, {Expiry}, {Now})
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = leases.token + 1, expires_at = {Expiry}, acquired_at = {Now}
        WHERE leases.expires_at <= {Now}
        RETURNING token
        """;

    internal override string RenewLease => $"{Patience}; UPDATE leases SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    internal override string ReleaseLease => $"{Patience}; UPDATE leases SET expires_at = {Ended} WHERE name = @name AND token = @token";

    internal override string InsertInbox => "INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation) ON CONFLICT DO NOTHING";

    // The driver writes ids in capitals.
    internal override string InsertManyInbox =>
        """
        INSERT INTO inbox_messages (consumer, message_id, operation) SELECT @consumer, upper(value), @operation FROM json_each(@message_ids) WHERE true
        ON CONFLICT DO NOTHING RETURNING message_id
        """;

    internal override string DeleteOldInbox => DeleteOldInboxOf("operation = ''");

    private string DeleteOldInboxOf(string operation) => DeleteOld("inbox_messages", "received_at", $"+consumer = @consumer AND {operation}");

    internal override string InsertDeadLetter =>
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, state)
        VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts, @state)
        ON CONFLICT (side, consumer, message_id) DO UPDATE SET reason = excluded.reason, error = excluded.error,
            attempts = dead_letters.attempts + excluded.attempts, last_failed_at = {Now}, state = excluded.state
        """;

    internal override string ReadBacklog =>
        $"""
        SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_messages WHERE partition = @partition LIMIT @limit)) AS counted,
            (SELECT max(sequence) FROM outbox_messages) - (SELECT min(sequence) FROM outbox_messages) + 1 AS span,
            (SELECT (julianday('now') - julianday(min(max(created_at, coalesce(not_before, ''))))) * 86400.0
             FROM (SELECT created_at, not_before FROM outbox_messages WHERE partition = @partition ORDER BY sequence LIMIT 1000)
             WHERE max(created_at, coalesce(not_before, '')) <= {Now}) AS seconds
        """;
}
