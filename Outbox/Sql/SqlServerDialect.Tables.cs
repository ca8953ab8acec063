namespace Outbox.Sql;

/// <summary>The tables: how they are made, and how they are looked at.</summary>
internal sealed partial class SqlServerDialect
{
    // Page locks would let READPAST pass over committed rows beside a locked one; an escalated lock would stop every writer.
    // The waits are short, because who waits to change a table holds up everybody behind it. sqlcmd begins with QUOTED_IDENTIFIER off, which an index with a condition refuses.
    internal override string CreateTables =>
        $"""
        SET NOCOUNT ON;
        SET XACT_ABORT ON;
        SET QUOTED_IDENTIFIER ON;
        SET IMPLICIT_TRANSACTIONS OFF;
        SET LOCK_TIMEOUT 5000;
        BEGIN TRANSACTION;
        DECLARE @locked int;
        EXEC @locked = sp_getapplock @Resource = N'outbox_schema', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 20000;
        IF @locked < 0 THROW 50001, N'Another session is changing the tables of the outbox.', 1;

        IF OBJECT_ID(N'outbox_messages', N'U') IS NULL
        CREATE TABLE outbox_messages (
            sequence bigint IDENTITY(1, 1) NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition smallint NOT NULL DEFAULT 0,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(100) NOT NULL DEFAULT N'application/json',
            body varbinary(max) NOT NULL,
            created_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            not_before datetime2(7) NULL,
            expires_at datetime2(7) NULL,
            CONSTRAINT pk_outbox_messages PRIMARY KEY CLUSTERED (partition, sequence)
        );
        IF EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'outbox_messages', N'U') AND lock_escalation_desc <> N'DISABLE')
            ALTER TABLE outbox_messages SET (LOCK_ESCALATION = DISABLE);
        IF EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_messages', N'U') AND name = N'pk_outbox_messages' AND (allow_page_locks = 1 OR optimize_for_sequential_key = 0))
            ALTER INDEX pk_outbox_messages ON outbox_messages SET (ALLOW_PAGE_LOCKS = OFF, OPTIMIZE_FOR_SEQUENTIAL_KEY = ON);

        IF OBJECT_ID(N'outbox_archive', N'U') IS NULL
        CREATE TABLE outbox_archive (
            sequence bigint NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition smallint NOT NULL,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(100) NOT NULL,
            body varbinary(max) NOT NULL,
            created_at datetime2(7) NOT NULL,
            not_before datetime2(7) NULL,
            expires_at datetime2(7) NULL,
            published_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            outcome nvarchar(20) NOT NULL DEFAULT N'published',
            CONSTRAINT pk_outbox_archive PRIMARY KEY CLUSTERED (sequence, message_id)
        );
        IF COL_LENGTH(N'outbox_archive', N'outcome') IS NULL
            ALTER TABLE outbox_archive ADD outcome nvarchar(20) NOT NULL DEFAULT N'published';
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_archive', N'U') AND name = N'ix_outbox_archive_published_at')
            CREATE INDEX ix_outbox_archive_published_at ON outbox_archive (published_at);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_archive', N'U') AND name = N'ix_outbox_archive_message_id')
            CREATE INDEX ix_outbox_archive_message_id ON outbox_archive (message_id);

        IF OBJECT_ID(N'outbox_scheduled', N'U') IS NULL
        CREATE TABLE outbox_scheduled (
            id bigint IDENTITY(1, 1) NOT NULL,
            partition smallint NOT NULL,
            not_before datetime2(7) NOT NULL,
            sequence bigint NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(100) NOT NULL,
            body varbinary(max) NOT NULL,
            created_at datetime2(7) NOT NULL,
            expires_at datetime2(7) NULL,
            CONSTRAINT pk_outbox_scheduled PRIMARY KEY CLUSTERED (id)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_scheduled', N'U') AND name = N'ix_outbox_scheduled_due')
            CREATE INDEX ix_outbox_scheduled_due ON outbox_scheduled (partition, not_before, id);

        IF OBJECT_ID(N'leases', N'U') IS NULL
        CREATE TABLE leases (
            name nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            owner nvarchar(200) NOT NULL,
            token bigint NOT NULL,
            expires_at datetime2(7) NOT NULL,
            acquired_at datetime2(7) NULL,
            CONSTRAINT pk_leases PRIMARY KEY CLUSTERED (name)
        );
        IF COL_LENGTH(N'leases', N'acquired_at') IS NULL
            ALTER TABLE leases ADD acquired_at datetime2(7) NULL;

        IF OBJECT_ID(N'inbox_messages', N'U') IS NULL
        CREATE TABLE inbox_messages (
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            message_id uniqueidentifier NOT NULL,
            operation nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT N'',
            received_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_inbox_messages PRIMARY KEY CLUSTERED (consumer, message_id, operation)
        );
        IF EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'inbox_messages', N'U') AND lock_escalation_desc <> N'DISABLE')
            ALTER TABLE inbox_messages SET (LOCK_ESCALATION = DISABLE);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'inbox_messages', N'U') AND name = N'ix_inbox_messages_received_at')
            CREATE INDEX ix_inbox_messages_received_at ON inbox_messages (received_at);

        IF OBJECT_ID(N'dead_letters', N'U') IS NULL
        CREATE TABLE dead_letters (
            id bigint IDENTITY(1, 1) NOT NULL,
            side nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT N'',
            source nvarchar(200) NULL,
            message_id uniqueidentifier NULL,
            original_id nvarchar(max) NULL,
            type nvarchar(max) NULL,
            partition_key nvarchar(max) NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(max) NULL,
            body varbinary(max) NOT NULL,
            reason nvarchar(max) NOT NULL,
            error nvarchar(max) NULL,
            attempts int NOT NULL,
            first_failed_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            last_failed_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            state nvarchar(20) NOT NULL DEFAULT N'dead',
            partition smallint NULL,
            sequence bigint NULL,
            key_sequence bigint NULL,
            created_at datetime2(7) NULL,
            expires_at datetime2(7) NULL,
            CONSTRAINT pk_dead_letters PRIMARY KEY CLUSTERED (id)
        );
        IF COL_LENGTH(N'dead_letters', N'sequence') IS NULL
            ALTER TABLE dead_letters ADD partition smallint NULL, sequence bigint NULL, key_sequence bigint NULL, created_at datetime2(7) NULL, expires_at datetime2(7) NULL;
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dead_letters', N'U') AND name = N'ux_dead_letters_message')
            CREATE UNIQUE INDEX ux_dead_letters_message ON dead_letters (side, consumer, message_id) WHERE message_id IS NOT NULL;
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dead_letters', N'U') AND name = N'ix_dead_letters_state')
            CREATE INDEX ix_dead_letters_state ON dead_letters (side, state, partition);

        IF OBJECT_ID(N'dead_letter_actions', N'U') IS NULL
        CREATE TABLE dead_letter_actions (
            id bigint IDENTITY(1, 1) NOT NULL,
            dead_letter_id bigint NOT NULL,
            side nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            message_id uniqueidentifier NULL,
            action nvarchar(20) NOT NULL,
            actor nvarchar(200) NOT NULL,
            reason nvarchar(max) NULL,
            previous_body varbinary(max) NULL,
            acted_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_dead_letter_actions PRIMARY KEY CLUSTERED (id)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dead_letter_actions', N'U') AND name = N'ix_dead_letter_actions_letter')
            CREATE INDEX ix_dead_letter_actions_letter ON dead_letter_actions (dead_letter_id);

        IF OBJECT_ID(N'deferred_messages', N'U') IS NULL
        CREATE TABLE deferred_messages (
            id bigint IDENTITY(1, 1) NOT NULL,
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            source nvarchar(max) NULL,
            original_id nvarchar(max) NULL,
            type nvarchar(max) NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(max) NULL,
            body varbinary(max) NOT NULL,
            state nvarchar(20) NOT NULL,
            attempts int NOT NULL,
            reason nvarchar(max) NULL,
            error nvarchar(max) NULL,
            deferred_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            last_failed_at datetime2(7) NULL,
            next_attempt_at datetime2(7) NULL,
            CONSTRAINT pk_deferred_messages PRIMARY KEY CLUSTERED (id)
        );
        IF EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'deferred_messages', N'U') AND lock_escalation_desc <> N'DISABLE')
            ALTER TABLE deferred_messages SET (LOCK_ESCALATION = DISABLE);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'deferred_messages', N'U') AND name = N'ux_deferred_messages_message')
            CREATE UNIQUE INDEX ux_deferred_messages_message ON deferred_messages (consumer, message_id);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'deferred_messages', N'U') AND name = N'ix_deferred_messages_key')
            CREATE INDEX ix_deferred_messages_key ON deferred_messages (consumer, partition_key, id);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'deferred_messages', N'U') AND name = N'ix_deferred_messages_due')
            CREATE INDEX ix_deferred_messages_due ON deferred_messages (consumer, next_attempt_at, id);

        IF OBJECT_ID(N'relays', N'U') IS NULL
        CREATE TABLE relays (
            owner nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            started_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            expires_at datetime2(7) NOT NULL,
            status nvarchar(max) NULL,
            CONSTRAINT pk_relays PRIMARY KEY CLUSTERED (owner)
        );

        {ReceiptTables}

        {ConsumerTables}

        {TransactionTables}

        {SagaTables}

        {LockTables}

        IF OBJECT_ID(N'outbox_settings', N'U') IS NULL
        CREATE TABLE outbox_settings (
            id smallint NOT NULL,
            partitions smallint NOT NULL DEFAULT 1,
            next_partitions smallint NULL,
            changed_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_outbox_settings PRIMARY KEY CLUSTERED (id)
        );
        IF NOT EXISTS (SELECT 1 FROM outbox_settings WHERE id = 1)
            INSERT INTO outbox_settings (id) VALUES (1);

        IF OBJECT_ID(N'outbox_schema', N'U') IS NULL
        CREATE TABLE outbox_schema (
            version int NOT NULL,
            applied_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_outbox_schema PRIMARY KEY CLUSTERED (version)
        );
        IF NOT EXISTS (SELECT 1 FROM outbox_schema WHERE version = 6)
            INSERT INTO outbox_schema (version) VALUES (6);
        COMMIT TRANSACTION;
        """;

    internal override string DescribeColumns =>
        """
        SELECT t.name, c.name,
            CASE WHEN y.name IN (N'nvarchar', N'varbinary') THEN CONCAT(y.name, N'(', CASE WHEN c.max_length = -1 THEN N'max' WHEN y.name = N'nvarchar' THEN CONCAT(N'', c.max_length / 2) ELSE CONCAT(N'', c.max_length) END, N')')
                 WHEN y.name = N'datetime2' THEN CONCAT(N'datetime2(', c.scale, N')') ELSE y.name END,
            CASE WHEN c.is_nullable = 1 THEN 0 ELSE 1 END, CAST(COALESCE(k.key_ordinal, 0) AS int)
        FROM sys.tables AS t
        INNER JOIN sys.columns AS c ON c.object_id = t.object_id
        INNER JOIN sys.types AS y ON y.user_type_id = c.user_type_id
        LEFT JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 1
        LEFT JOIN sys.index_columns AS k ON k.object_id = t.object_id AND k.index_id = i.index_id AND k.column_id = c.column_id
        WHERE t.object_id IN (OBJECT_ID(N'outbox_messages', N'U'), OBJECT_ID(N'outbox_archive', N'U'), OBJECT_ID(N'outbox_scheduled', N'U'), OBJECT_ID(N'leases', N'U'), OBJECT_ID(N'inbox_messages', N'U'), OBJECT_ID(N'dead_letters', N'U'), OBJECT_ID(N'dead_letter_actions', N'U'), OBJECT_ID(N'deferred_messages', N'U'), OBJECT_ID(N'relays', N'U'), OBJECT_ID(N'consumers', N'U'), OBJECT_ID(N'receipt_requests', N'U'), OBJECT_ID(N'receipts', N'U'), OBJECT_ID(N'inbox_keys', N'U'), OBJECT_ID(N'consumer_status', N'U'), OBJECT_ID(N'transaction_decisions', N'U'), OBJECT_ID(N'transaction_markers', N'U'), OBJECT_ID(N'transaction_coordinators', N'U'), OBJECT_ID(N'sagas', N'U'), OBJECT_ID(N'saga_steps', N'U'), OBJECT_ID(N'fences', N'U'), OBJECT_ID(N'outbox_settings', N'U'), OBJECT_ID(N'outbox_schema', N'U'))
        """;

    internal override string DescribeIndexes =>
        """
        SELECT t.name, i.name FROM sys.tables AS t INNER JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 0 AND i.name IS NOT NULL
        WHERE t.object_id IN (OBJECT_ID(N'outbox_messages', N'U'), OBJECT_ID(N'outbox_archive', N'U'), OBJECT_ID(N'outbox_scheduled', N'U'), OBJECT_ID(N'leases', N'U'), OBJECT_ID(N'inbox_messages', N'U'), OBJECT_ID(N'dead_letters', N'U'), OBJECT_ID(N'dead_letter_actions', N'U'), OBJECT_ID(N'deferred_messages', N'U'), OBJECT_ID(N'relays', N'U'), OBJECT_ID(N'consumers', N'U'), OBJECT_ID(N'receipt_requests', N'U'), OBJECT_ID(N'receipts', N'U'), OBJECT_ID(N'inbox_keys', N'U'), OBJECT_ID(N'consumer_status', N'U'), OBJECT_ID(N'transaction_decisions', N'U'), OBJECT_ID(N'transaction_markers', N'U'), OBJECT_ID(N'transaction_coordinators', N'U'), OBJECT_ID(N'sagas', N'U'), OBJECT_ID(N'saga_steps', N'U'), OBJECT_ID(N'fences', N'U'), OBJECT_ID(N'outbox_settings', N'U'), OBJECT_ID(N'outbox_schema', N'U'))
        """;
}
