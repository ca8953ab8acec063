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

IF OBJECT_ID(N'consumers', N'U') IS NULL
CREATE TABLE consumers (
    name nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    last_seen_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT pk_consumers PRIMARY KEY CLUSTERED (name, type)
);

IF OBJECT_ID(N'receipt_requests', N'U') IS NULL
CREATE TABLE receipt_requests (
    message_id uniqueidentifier NOT NULL,
    type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    requested_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT pk_receipt_requests PRIMARY KEY CLUSTERED (message_id)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'receipt_requests', N'U') AND name = N'ix_receipt_requests_requested_at')
    CREATE INDEX ix_receipt_requests_requested_at ON receipt_requests (requested_at);

IF OBJECT_ID(N'receipts', N'U') IS NULL
CREATE TABLE receipts (
    message_id uniqueidentifier NOT NULL,
    consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    outcome nvarchar(20) NOT NULL,
    reason nvarchar(max) NULL,
    occurred_at datetime2(7) NOT NULL,
    received_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT pk_receipts PRIMARY KEY CLUSTERED (message_id, consumer)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'receipts', N'U') AND name = N'ix_receipts_received_at')
    CREATE INDEX ix_receipts_received_at ON receipts (received_at);

IF OBJECT_ID(N'inbox_keys', N'U') IS NULL
CREATE TABLE inbox_keys (
    consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    source nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    last_sequence bigint NOT NULL,
    skipped nvarchar(max) NULL,
    CONSTRAINT pk_inbox_keys PRIMARY KEY CLUSTERED (consumer, source, partition_key)
);

IF OBJECT_ID(N'consumer_status', N'U') IS NULL
CREATE TABLE consumer_status (
    consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    owner nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    started_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    expires_at datetime2(7) NOT NULL,
    status nvarchar(max) NULL,
    CONSTRAINT pk_consumer_status PRIMARY KEY CLUSTERED (consumer, owner)
);

IF OBJECT_ID(N'fences', N'U') IS NULL
CREATE TABLE fences (
    name nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    token bigint NOT NULL,
    CONSTRAINT pk_fences PRIMARY KEY CLUSTERED (name)
);

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
