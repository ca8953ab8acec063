namespace Outbox.Sql;

internal sealed partial class SqliteDialect : SqlDialect
{
    public override string Name => "Sqlite";

    internal override string Driver => "Microsoft.Data.Sqlite.Sqlite";

    // One writer at a time holds the file from its first write to its commit.
    internal override LateRows LateRows => LateRows.Never;

    internal override bool CopiesBytes => false;

    private const string Now = "strftime('%Y-%m-%d %H:%M:%f', 'now')";

    // AUTOINCREMENT: without it the number of a deleted last row is given out again.
    internal override string CreateTables =>
        $"""
        PRAGMA journal_mode = WAL;
        BEGIN IMMEDIATE;

        CREATE TABLE IF NOT EXISTS outbox_messages (
            sequence INTEGER NOT NULL CONSTRAINT pk_outbox_messages PRIMARY KEY AUTOINCREMENT,
            message_id TEXT NOT NULL,
            partition INTEGER NOT NULL DEFAULT 0,
            partition_key TEXT NULL,
            key_sequence INTEGER NULL,
            type TEXT NOT NULL,
            headers TEXT NULL,
            content_type TEXT NOT NULL DEFAULT 'application/json',
            body BLOB NOT NULL,
            created_at TEXT NOT NULL DEFAULT ({Now}),
            not_before TEXT NULL,
            expires_at TEXT NULL
        );

        CREATE TABLE IF NOT EXISTS outbox_archive (
            sequence INTEGER NOT NULL,
            message_id TEXT NOT NULL,
            partition INTEGER NOT NULL,
            partition_key TEXT NULL,
            key_sequence INTEGER NULL,
            type TEXT NOT NULL,
            headers TEXT NULL,
            content_type TEXT NOT NULL,
            body BLOB NOT NULL,
            created_at TEXT NOT NULL,
            not_before TEXT NULL,
            expires_at TEXT NULL,
            published_at TEXT NOT NULL DEFAULT ({Now}),
            outcome TEXT NOT NULL DEFAULT 'published',
            CONSTRAINT pk_outbox_archive PRIMARY KEY (sequence, message_id)
        );
        CREATE INDEX IF NOT EXISTS ix_outbox_archive_published_at ON outbox_archive (published_at);

        CREATE TABLE IF NOT EXISTS outbox_scheduled (
            id INTEGER NOT NULL CONSTRAINT pk_outbox_scheduled PRIMARY KEY AUTOINCREMENT,
            partition INTEGER NOT NULL,
            not_before TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            message_id TEXT NOT NULL,
            partition_key TEXT NULL,
            key_sequence INTEGER NULL,
            type TEXT NOT NULL,
            headers TEXT NULL,
            content_type TEXT NOT NULL,
            body BLOB NOT NULL,
            created_at TEXT NOT NULL,
            expires_at TEXT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_outbox_scheduled_due ON outbox_scheduled (partition, not_before, id);

        CREATE TABLE IF NOT EXISTS leases (
            name TEXT NOT NULL CONSTRAINT pk_leases PRIMARY KEY,
            owner TEXT NOT NULL,
            token INTEGER NOT NULL,
            expires_at TEXT NOT NULL
        );
        CREATE UNIQUE INDEX IF NOT EXISTS ux_leases_name_token ON leases (name, token);

        CREATE TABLE IF NOT EXISTS inbox_messages (
            consumer TEXT NOT NULL,
            message_id TEXT NOT NULL,
            operation TEXT NOT NULL DEFAULT '',
            received_at TEXT NOT NULL DEFAULT ({Now}),
            CONSTRAINT pk_inbox_messages PRIMARY KEY (consumer, message_id, operation)
        );
        CREATE INDEX IF NOT EXISTS ix_inbox_messages_received_at ON inbox_messages (received_at);

        CREATE TABLE IF NOT EXISTS dead_letters (
            id INTEGER NOT NULL CONSTRAINT pk_dead_letters PRIMARY KEY AUTOINCREMENT,
            side TEXT NOT NULL,
            consumer TEXT NOT NULL DEFAULT '',
            source TEXT NULL,
            message_id TEXT NULL,
            original_id TEXT NULL,
            type TEXT NULL,
            partition_key TEXT NULL,
            headers TEXT NULL,
            content_type TEXT NULL,
            body BLOB NOT NULL,
            reason TEXT NOT NULL,
            error TEXT NULL,
            attempts INTEGER NOT NULL,
            first_failed_at TEXT NOT NULL DEFAULT ({Now}),
            last_failed_at TEXT NOT NULL DEFAULT ({Now}),
            state TEXT NOT NULL DEFAULT 'dead',
            partition INTEGER NULL,
            sequence INTEGER NULL,
            key_sequence INTEGER NULL,
            created_at TEXT NULL,
            expires_at TEXT NULL
        );
        CREATE UNIQUE INDEX IF NOT EXISTS ux_dead_letters_message ON dead_letters (side, consumer, message_id);
        CREATE INDEX IF NOT EXISTS ix_dead_letters_state ON dead_letters (side, state, partition);

        CREATE TABLE IF NOT EXISTS relays (
            owner TEXT NOT NULL CONSTRAINT pk_relays PRIMARY KEY,
            started_at TEXT NOT NULL DEFAULT ({Now}),
            expires_at TEXT NOT NULL,
            status TEXT NULL
        );

        {ReceiptTables}

        CREATE TABLE IF NOT EXISTS outbox_settings (
            id INTEGER NOT NULL CONSTRAINT pk_outbox_settings PRIMARY KEY,
            partitions INTEGER NOT NULL DEFAULT 1,
            next_partitions INTEGER NULL,
            changed_at TEXT NOT NULL DEFAULT ({Now})
        );
        INSERT OR IGNORE INTO outbox_settings (id) VALUES (1);

        CREATE TABLE IF NOT EXISTS outbox_schema (
            version INTEGER NOT NULL CONSTRAINT pk_outbox_schema PRIMARY KEY,
            applied_at TEXT NOT NULL DEFAULT ({Now})
        );
        INSERT OR IGNORE INTO outbox_schema (version) VALUES (4);

        COMMIT;
        """;

    // A script cannot add a column only where it is missing.
    internal override IReadOnlyList<(string Table, string Column, string Statement)> AddedColumns =>
    [
        ("outbox_archive", "outcome", "ALTER TABLE outbox_archive ADD COLUMN outcome TEXT NOT NULL DEFAULT 'published'"),
        ("dead_letters", "partition", "ALTER TABLE dead_letters ADD COLUMN partition INTEGER NULL"),
        ("dead_letters", "sequence", "ALTER TABLE dead_letters ADD COLUMN sequence INTEGER NULL"),
        ("dead_letters", "key_sequence", "ALTER TABLE dead_letters ADD COLUMN key_sequence INTEGER NULL"),
        ("dead_letters", "created_at", "ALTER TABLE dead_letters ADD COLUMN created_at TEXT NULL"),
        ("dead_letters", "expires_at", "ALTER TABLE dead_letters ADD COLUMN expires_at TEXT NULL"),
    ];

    internal override string DescribeColumns =>
        """
        SELECT t.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name IN ('outbox_messages', 'outbox_archive', 'outbox_scheduled', 'leases', 'inbox_messages', 'dead_letters', 'relays', 'consumers', 'receipt_requests', 'receipts', 'outbox_settings', 'outbox_schema')
        """;

    internal override string DescribeIndexes =>
        """
        SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL
        AND tbl_name IN ('outbox_messages', 'outbox_archive', 'outbox_scheduled', 'leases', 'inbox_messages', 'dead_letters', 'relays', 'consumers', 'receipt_requests', 'receipts', 'outbox_settings', 'outbox_schema')
        """;

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

    internal override string DeleteOldArchive =>
        """
        DELETE FROM outbox_archive WHERE rowid IN (
            SELECT rowid FROM outbox_archive WHERE published_at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || @seconds || ' seconds') ORDER BY published_at LIMIT @limit)
        """;

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
        INSERT INTO leases (name, owner, token, expires_at) VALUES (@name, @owner, 1, {Expiry})
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = leases.token + 1, expires_at = {Expiry}
        WHERE leases.expires_at <= {Now}
        RETURNING token
        """;

    internal override string RenewLease => $"{Patience}; UPDATE leases SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    internal override string ReleaseLease => $"{Patience}; UPDATE leases SET expires_at = '' WHERE name = @name AND token = @token";

    internal override string InsertInbox => "INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation) ON CONFLICT DO NOTHING";

    // The driver writes ids in capitals.
    internal override string InsertManyInbox =>
        """
        INSERT INTO inbox_messages (consumer, message_id, operation) SELECT @consumer, upper(value), @operation FROM json_each(@message_ids) WHERE true
        ON CONFLICT DO NOTHING RETURNING message_id
        """;

    internal override string DeleteOldInbox =>
        """
        DELETE FROM inbox_messages WHERE rowid IN (
            SELECT rowid FROM inbox_messages WHERE received_at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || @seconds || ' seconds') ORDER BY received_at LIMIT @limit)
        """;

    internal override string InsertDeadLetter =>
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts)
        VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts)
        ON CONFLICT (side, consumer, message_id) DO UPDATE SET reason = excluded.reason, error = excluded.error,
            attempts = dead_letters.attempts + excluded.attempts, last_failed_at = {Now}, state = 'dead'
        """;

    internal override string ReadBacklog =>
        $"""
        SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_messages WHERE partition = @partition LIMIT @limit)),
            (SELECT max(sequence) FROM outbox_messages) - (SELECT min(sequence) FROM outbox_messages) + 1,
            (SELECT (julianday('now') - julianday(min(max(created_at, coalesce(not_before, ''))))) * 86400.0
             FROM (SELECT created_at, not_before FROM outbox_messages WHERE partition = @partition ORDER BY sequence LIMIT 1000)
             WHERE max(created_at, coalesce(not_before, '')) <= {Now})
        """;
}
