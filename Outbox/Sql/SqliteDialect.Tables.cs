namespace Outbox.Sql;

/// <summary>The tables: how they are made, and how they are looked at.</summary>
internal sealed partial class SqliteDialect
{
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
        CREATE INDEX IF NOT EXISTS ix_outbox_archive_message_id ON outbox_archive (message_id);

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
            expires_at TEXT NOT NULL,
            acquired_at TEXT NULL
        );
        DROP INDEX IF EXISTS ux_leases_name_token;

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

        CREATE TABLE IF NOT EXISTS dead_letter_actions (
            id INTEGER NOT NULL CONSTRAINT pk_dead_letter_actions PRIMARY KEY AUTOINCREMENT,
            dead_letter_id INTEGER NOT NULL,
            side TEXT NOT NULL,
            consumer TEXT NOT NULL,
            message_id TEXT NULL,
            action TEXT NOT NULL,
            actor TEXT NOT NULL,
            reason TEXT NULL,
            previous_body BLOB NULL,
            acted_at TEXT NOT NULL DEFAULT ({Now})
        );
        CREATE INDEX IF NOT EXISTS ix_dead_letter_actions_letter ON dead_letter_actions (dead_letter_id);

        CREATE TABLE IF NOT EXISTS deferred_messages (
            id INTEGER NOT NULL CONSTRAINT pk_deferred_messages PRIMARY KEY AUTOINCREMENT,
            consumer TEXT NOT NULL,
            message_id TEXT NOT NULL,
            partition_key TEXT NULL,
            key_sequence INTEGER NULL,
            source TEXT NULL,
            original_id TEXT NULL,
            type TEXT NULL,
            headers TEXT NULL,
            content_type TEXT NULL,
            body BLOB NOT NULL,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            reason TEXT NULL,
            error TEXT NULL,
            deferred_at TEXT NOT NULL DEFAULT ({Now}),
            last_failed_at TEXT NULL,
            next_attempt_at TEXT NULL
        );
        CREATE UNIQUE INDEX IF NOT EXISTS ux_deferred_messages_message ON deferred_messages (consumer, message_id);
        CREATE INDEX IF NOT EXISTS ix_deferred_messages_key ON deferred_messages (consumer, partition_key, id);
        CREATE INDEX IF NOT EXISTS ix_deferred_messages_due ON deferred_messages (consumer, next_attempt_at, id);

        CREATE TABLE IF NOT EXISTS relays (
            owner TEXT NOT NULL CONSTRAINT pk_relays PRIMARY KEY,
            started_at TEXT NOT NULL DEFAULT ({Now}),
            expires_at TEXT NOT NULL,
            status TEXT NULL
        );

        {ReceiptTables}

        {ConsumerTables}

        {TransactionTables}

        {SagaTables}

        {LockTables}

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
        INSERT OR IGNORE INTO outbox_schema (version) VALUES (6);

        COMMIT;
        """;

    // A script cannot add a column only where it is missing.
    internal override IReadOnlyList<(string Table, string Column, string Statement)> AddedColumns =>
    [
        ("outbox_archive", "outcome", "ALTER TABLE outbox_archive ADD COLUMN outcome TEXT NOT NULL DEFAULT 'published'"),
        ("leases", "acquired_at", "ALTER TABLE leases ADD COLUMN acquired_at TEXT NULL"),
        ("dead_letters", "partition", "ALTER TABLE dead_letters ADD COLUMN partition INTEGER NULL"),
        ("dead_letters", "sequence", "ALTER TABLE dead_letters ADD COLUMN sequence INTEGER NULL"),
        ("dead_letters", "key_sequence", "ALTER TABLE dead_letters ADD COLUMN key_sequence INTEGER NULL"),
        ("dead_letters", "created_at", "ALTER TABLE dead_letters ADD COLUMN created_at TEXT NULL"),
        ("dead_letters", "expires_at", "ALTER TABLE dead_letters ADD COLUMN expires_at TEXT NULL"),
    ];

    internal override string DescribeColumns =>
        """
        SELECT t.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name IN ('outbox_messages', 'outbox_archive', 'outbox_scheduled', 'leases', 'inbox_messages', 'dead_letters', 'dead_letter_actions', 'deferred_messages', 'relays', 'consumers', 'receipt_requests', 'receipts', 'inbox_keys', 'consumer_status', 'transaction_decisions', 'transaction_markers', 'transaction_coordinators', 'sagas', 'saga_steps', 'fences', 'outbox_settings', 'outbox_schema')
        """;

    internal override string DescribeIndexes =>
        """
        SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL
        AND tbl_name IN ('outbox_messages', 'outbox_archive', 'outbox_scheduled', 'leases', 'inbox_messages', 'dead_letters', 'dead_letter_actions', 'deferred_messages', 'relays', 'consumers', 'receipt_requests', 'receipts', 'inbox_keys', 'consumer_status', 'transaction_decisions', 'transaction_markers', 'transaction_coordinators', 'sagas', 'saga_steps', 'fences', 'outbox_settings', 'outbox_schema')
        """;
}
