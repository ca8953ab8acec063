-- Every statement that the product can send to SQL Server.

-- CreateTables
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

IF OBJECT_ID(N'transaction_decisions', N'U') IS NULL
CREATE TABLE transaction_decisions (
    transaction_id nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    coordinator nvarchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
    decision nvarchar(20) NOT NULL,
    reason nvarchar(max) NULL,
    decided_by nvarchar(200) NOT NULL,
    branches nvarchar(max) NOT NULL,
    decided_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    outcome nvarchar(20) NULL,
    finished_at datetime2(7) NULL,
    CONSTRAINT pk_transaction_decisions PRIMARY KEY CLUSTERED (transaction_id)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'transaction_decisions', N'U') AND name = N'ix_transaction_decisions_outcome')
    CREATE INDEX ix_transaction_decisions_outcome ON transaction_decisions (outcome, decided_at);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'transaction_decisions', N'U') AND name = N'ix_transaction_decisions_coordinator')
    CREATE INDEX ix_transaction_decisions_coordinator ON transaction_decisions (coordinator, decided_at);

IF OBJECT_ID(N'transaction_markers', N'U') IS NULL
CREATE TABLE transaction_markers (
    transaction_id nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    branch nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    created_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT pk_transaction_markers PRIMARY KEY CLUSTERED (transaction_id, branch)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'transaction_markers', N'U') AND name = N'ix_transaction_markers_created_at')
    CREATE INDEX ix_transaction_markers_created_at ON transaction_markers (created_at);

IF OBJECT_ID(N'transaction_coordinators', N'U') IS NULL
CREATE TABLE transaction_coordinators (
    name nvarchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
    origin nvarchar(6) COLLATE Latin1_General_100_BIN2 NOT NULL,
    incarnation int NOT NULL,
    raised_at datetime2(7) NULL,
    raised_by nvarchar(200) NULL,
    reason nvarchar(max) NULL,
    CONSTRAINT pk_transaction_coordinators PRIMARY KEY CLUSTERED (name)
);

IF OBJECT_ID(N'sagas', N'U') IS NULL
CREATE TABLE sagas (
    type nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    id nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    status nvarchar(20) NOT NULL,
    step nvarchar(100) NULL,
    operation nvarchar(20) NOT NULL,
    round int NOT NULL,
    attempt int NOT NULL,
    entries int NOT NULL,
    given_up int NOT NULL DEFAULT 0,
    state nvarchar(max) NOT NULL,
    reason nvarchar(max) NULL,
    trouble nvarchar(max) NULL,
    created_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    updated_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    deadline datetime2(7) NULL,
    CONSTRAINT pk_sagas PRIMARY KEY CLUSTERED (type, id)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'sagas', N'U') AND name = N'ix_sagas_status')
    CREATE INDEX ix_sagas_status ON sagas (status, updated_at);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'sagas', N'U') AND name = N'ix_sagas_updated_at')
    CREATE INDEX ix_sagas_updated_at ON sagas (updated_at);

IF OBJECT_ID(N'saga_steps', N'U') IS NULL
CREATE TABLE saga_steps (
    type nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    id nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    number int NOT NULL,
    step nvarchar(100) NULL,
    operation nvarchar(20) NULL,
    event nvarchar(20) NOT NULL,
    attempt int NOT NULL,
    message_id uniqueidentifier NULL,
    actor nvarchar(200) NULL,
    reason nvarchar(max) NULL,
    happened_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT pk_saga_steps PRIMARY KEY CLUSTERED (type, id, number)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'saga_steps', N'U') AND name = N'ix_saga_steps_happened_at')
    CREATE INDEX ix_saga_steps_happened_at ON saga_steps (happened_at);

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
GO

-- ReadSchemaVersion
SELECT max(version) FROM outbox_schema
GO

-- FindOutbox
SELECT sequence FROM outbox_messages WHERE 1 = 0
GO

-- CheckTables
SELECT sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at FROM outbox_messages WHERE 1 = 0;
SELECT sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, published_at, outcome FROM outbox_archive WHERE 1 = 0;
SELECT id, partition, not_before, sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at FROM outbox_scheduled WHERE 1 = 0;
SELECT name, owner, token, expires_at, acquired_at FROM leases WHERE 1 = 0;
SELECT consumer, message_id, operation, received_at FROM inbox_messages WHERE 1 = 0;
SELECT id, side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, first_failed_at, last_failed_at, state, partition, sequence, key_sequence, created_at, expires_at FROM dead_letters WHERE 1 = 0;
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
GO

-- DescribeColumns
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
GO

-- DescribeIndexes
SELECT t.name, i.name FROM sys.tables AS t INNER JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 0 AND i.name IS NOT NULL
WHERE t.object_id IN (OBJECT_ID(N'outbox_messages', N'U'), OBJECT_ID(N'outbox_archive', N'U'), OBJECT_ID(N'outbox_scheduled', N'U'), OBJECT_ID(N'leases', N'U'), OBJECT_ID(N'inbox_messages', N'U'), OBJECT_ID(N'dead_letters', N'U'), OBJECT_ID(N'dead_letter_actions', N'U'), OBJECT_ID(N'deferred_messages', N'U'), OBJECT_ID(N'relays', N'U'), OBJECT_ID(N'consumers', N'U'), OBJECT_ID(N'receipt_requests', N'U'), OBJECT_ID(N'receipts', N'U'), OBJECT_ID(N'inbox_keys', N'U'), OBJECT_ID(N'consumer_status', N'U'), OBJECT_ID(N'transaction_decisions', N'U'), OBJECT_ID(N'transaction_markers', N'U'), OBJECT_ID(N'transaction_coordinators', N'U'), OBJECT_ID(N'sagas', N'U'), OBJECT_ID(N'saga_steps', N'U'), OBJECT_ID(N'fences', N'U'), OBJECT_ID(N'outbox_settings', N'U'), OBJECT_ID(N'outbox_schema', N'U'))
GO

-- PrepareRelayConnection
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1000;
GO

-- PrepareBeatConnection
SELECT 1
GO

-- ReadPartitions
SELECT partitions FROM outbox_settings
GO

-- InsertMessage
INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, not_before, expires_at)
VALUES (@message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, @not_before, @expires_at)
GO

-- ReadMessages
SELECT TOP (@limit) m.sequence, m.message_id, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at,
CASE WHEN m.not_before > SYSUTCDATETIME() THEN CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), m.not_before) AS float) / 1000 END,
CASE WHEN m.expires_at <= SYSUTCDATETIME() THEN 1 ELSE 0 END
FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @partition AND m.sequence > @after ORDER BY m.partition, m.sequence
GO

-- FetchMessages
SELECT m.sequence, m.message_id, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at,
CASE WHEN m.not_before > SYSUTCDATETIME() THEN CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), m.not_before) AS float) / 1000 END,
CASE WHEN m.expires_at <= SYSUTCDATETIME() THEN 1 ELSE 0 END
FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS wanted INNER LOOP JOIN outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) ON m.partition = @partition AND m.sequence = wanted.sequence
ORDER BY m.sequence
GO

-- SettleMessages
DELETE m FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS settled INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = settled.sequence WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- ArchiveMessages[0]
DELETE m
OUTPUT deleted.sequence, deleted.message_id, deleted.partition, deleted.partition_key, deleted.key_sequence, deleted.type, deleted.headers, deleted.content_type, deleted.body, deleted.created_at, deleted.not_before, deleted.expires_at, @outcome
INTO outbox_archive (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, outcome)
FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS settled INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = settled.sequence WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- ScheduleMessages[0]
DELETE m
OUTPUT deleted.sequence, deleted.message_id, deleted.partition, deleted.partition_key, deleted.key_sequence, deleted.type, deleted.headers, deleted.content_type, deleted.body, deleted.created_at, deleted.not_before, deleted.expires_at
INTO outbox_scheduled (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at)
FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS settled INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = settled.sequence WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- ListScheduled
SELECT TOP (@limit) s.id, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), s.not_before) AS float) / 1000
FROM outbox_scheduled AS s WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE s.partition = @partition ORDER BY s.partition, s.not_before, s.id
GO

-- ReturnMessages[0]
INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at)
SELECT m.message_id, m.partition, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at, m.not_before, m.expires_at
FROM OPENJSON(@sequences) WITH (id bigint '$') AS due INNER LOOP JOIN outbox_scheduled AS m WITH (ROWLOCK) ON m.id = due.id AND m.partition = @partition WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token) ORDER BY m.not_before, m.id
GO

-- ReturnMessages[1]
DELETE m FROM OPENJSON(@sequences) WITH (id bigint '$') AS due INNER LOOP JOIN outbox_scheduled AS m WITH (ROWLOCK) ON m.id = due.id AND m.partition = @partition WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- DeleteOldArchive
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.published_at
FROM (SELECT TOP (@limit) sequence, message_id FROM outbox_archive WHERE published_at >= @from AND published_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) ORDER BY published_at) AS old
INNER LOOP JOIN outbox_archive AS m WITH (ROWLOCK) ON m.sequence = old.sequence AND m.message_id = old.message_id
GO

-- AcquireLease
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET NOCOUNT ON;
SET XACT_ABORT ON;
DECLARE @taken TABLE (token bigint NOT NULL);
BEGIN TRANSACTION;
UPDATE leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET owner = @owner, token = token + 1, expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), acquired_at = SYSUTCDATETIME()
OUTPUT inserted.token INTO @taken (token)
WHERE name = @name AND expires_at <= SYSUTCDATETIME();
IF @@ROWCOUNT = 0
    INSERT INTO leases (name, owner, token, expires_at, acquired_at)
    OUTPUT inserted.token INTO @taken (token)
    SELECT @name, @owner, 1, DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), SYSUTCDATETIME() WHERE NOT EXISTS (SELECT 1 FROM leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
COMMIT TRANSACTION;
SELECT token FROM @taken;
GO

-- RenewLease
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE leases WITH (ROWLOCK) SET expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()) WHERE name = @name AND token = @token
GO

-- ReleaseLease
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE leases WITH (ROWLOCK) SET expires_at = '19700101' WHERE name = @name AND token = @token
GO

-- ListLeases
SELECT name, owner, token, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 FROM leases WHERE name LIKE @pattern
GO

-- DeleteOldLeases
DELETE FROM leases WHERE name LIKE @pattern AND CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 < -3600
GO

-- RemoveRelay
DELETE FROM relays WHERE owner = @owner OR CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 < -86400
GO

-- CheckLease
SELECT 1 FROM leases WHERE name = @name AND token = @token
GO

-- InsertInbox
SET NOCOUNT OFF;
SET XACT_ABORT OFF;
BEGIN TRY
    INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation);
END TRY
BEGIN CATCH
    IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
END CATCH;
GO

-- InsertManyInbox
SET XACT_ABORT OFF;
INSERT INTO inbox_messages (consumer, message_id, operation)
OUTPUT inserted.message_id
SELECT @consumer, message.id, @operation FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
WHERE NOT EXISTS (SELECT 1 FROM inbox_messages AS i WHERE i.consumer = @consumer AND i.message_id = message.id AND i.operation = @operation);
GO

-- DeleteOldInbox
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.received_at
FROM (SELECT TOP (@limit) consumer, message_id, operation FROM inbox_messages WITH (INDEX (ix_inbox_messages_received_at)) WHERE consumer = @consumer AND operation = N'' AND received_at >= @from AND received_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) ORDER BY received_at) AS old
INNER LOOP JOIN inbox_messages AS m WITH (ROWLOCK) ON m.consumer = old.consumer AND m.message_id = old.message_id AND m.operation = old.operation
GO

-- InsertDeadLetter
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE dead_letters WITH (UPDLOCK, HOLDLOCK) SET reason = @reason, error = @error, attempts = attempts + @attempts, last_failed_at = SYSUTCDATETIME(), state = @state
WHERE side = @side AND consumer = @consumer AND message_id = @message_id;
IF @@ROWCOUNT = 0
    INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, state)
    VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts, @state);
COMMIT TRANSACTION;
GO

-- DeadLetterMessages[0]
DELETE d FROM OPENJSON(@letters) WITH (sequence bigint '$.sequence', attempts int '$.attempts', reason nvarchar(max) '$.reason', age float '$.age', state nvarchar(20) '$.state') AS letter
INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = letter.sequence
INNER JOIN dead_letters AS d ON d.side = N'relay' AND d.consumer = CAST(m.sequence AS nvarchar(20)) AND d.message_id = m.message_id
WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- DeadLetterMessages[1]
INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, attempts, first_failed_at, state, sequence, partition, key_sequence, created_at, expires_at)
SELECT N'relay', CAST(m.sequence AS nvarchar(20)), @source, m.message_id, CAST(m.message_id AS nvarchar(36)), m.type, m.partition_key, m.headers, m.content_type, m.body, letter.reason, letter.attempts,
    DATEADD(second, -CAST(letter.age AS int), SYSUTCDATETIME()), letter.state, m.sequence, m.partition, m.key_sequence, m.created_at, m.expires_at
FROM OPENJSON(@letters) WITH (sequence bigint '$.sequence', attempts int '$.attempts', reason nvarchar(max) '$.reason', age float '$.age', state nvarchar(20) '$.state') AS letter
INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = letter.sequence
WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token) ORDER BY m.sequence
GO

-- DeadLetterMessages[2]
DELETE m FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS settled INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = settled.sequence WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- ReadBlocking
SELECT partition_key, sequence, type, reason, CAST(DATEDIFF_BIG(millisecond, first_failed_at, SYSUTCDATETIME()) AS float) / 1000
FROM dead_letters WHERE side = N'relay' AND state = N'blocking' AND partition = @partition AND partition_key IS NOT NULL
GO

-- RedriveDeadLetters[0]
SET IDENTITY_INSERT outbox_messages ON;
INSERT INTO outbox_messages (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
SELECT d.sequence, d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d
WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND d.side = N'relay' AND d.state = N'blocking' AND NOT EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.partition = d.partition AND m.sequence = d.sequence);
SET IDENTITY_INSERT outbox_messages OFF;
GO

-- RedriveDeadLetters[1]
DELETE d FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND d.side = N'relay' AND d.state = N'blocking'
AND EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.partition = d.partition AND m.sequence = d.sequence AND m.message_id = d.message_id)
GO

-- RedriveDeadLetters[2]
INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
SELECT d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND d.side = N'relay' ORDER BY d.sequence
GO

-- RedriveDeadLetters[3]
DELETE d FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND d.side = N'relay'
GO

-- DiscardDeadLetters
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE d SET state = N'discarded', error = @note, last_failed_at = SYSUTCDATETIME() FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking')
GO

-- ReadBacklog
SELECT (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) AS waiting) AS counted,
    (SELECT MAX(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) - (SELECT MIN(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) + 1 AS span,
    (SELECT CAST(DATEDIFF_BIG(millisecond, MIN(since), SYSUTCDATETIME()) AS float) / 1000
     FROM (SELECT TOP (1000) CASE WHEN not_before > created_at THEN not_before ELSE created_at END AS since
           FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition ORDER BY partition, sequence) AS waiting
     WHERE since <= SYSUTCDATETIME()) AS seconds
GO

-- ReadAside
SELECT (SELECT COUNT_BIG(DISTINCT partition_key) FROM (SELECT TOP (@limit) partition_key FROM dead_letters WITH (NOLOCK) WHERE side IN (N'relay', N'consumer') AND state = N'blocking') AS blocking),
    (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM dead_letters WITH (NOLOCK) WHERE side IN (N'relay', N'consumer') AND state IN (N'dead', N'blocking')) AS letters),
    (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_scheduled WITH (NOLOCK)) AS scheduled),
    (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition < 0
        UNION ALL SELECT TOP (@limit) 1 FROM outbox_messages WITH (NOLOCK) WHERE partition >= CAST(@partitions AS smallint)) AS stray),
    (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM deferred_messages WITH (NOLOCK)) AS deferred)
GO

-- ReadRelayStatus
SELECT status FROM relays WITH (NOLOCK) WHERE expires_at > SYSUTCDATETIME() AND status IS NOT NULL
GO

-- MeasureArchive
SELECT COUNT_BIG(*), MIN(sequence), MAX(sequence) FROM outbox_archive WHERE sequence > @after AND published_at >= @from AND published_at < @to AND outcome = N'published' AND (@type IS NULL OR type = @type) AND (@key IS NULL OR partition_key = @key)
GO

-- ReadArchive
SELECT TOP (@limit) sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at FROM outbox_archive
WHERE sequence > @after AND sequence <= @last AND published_at >= @from AND published_at < @to AND outcome = N'published' AND (@type IS NULL OR type = @type) AND (@key IS NULL OR partition_key = @key) ORDER BY sequence, message_id
GO

-- StrayPartition
SELECT MAX(stray.partition)
FROM (SELECT MAX(partition) AS partition FROM outbox_messages WITH (NOLOCK) WHERE partition >= CAST(@partitions AS smallint)
      UNION ALL SELECT MAX(partition) FROM outbox_messages WITH (NOLOCK) WHERE partition < 0) AS stray
GO

-- InsertInboxInOrder
SET NOCOUNT ON;
SET XACT_ABORT OFF;
DECLARE @added int = 0;
BEGIN TRY
    INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation);
    SET @added = @@ROWCOUNT;
END TRY
BEGIN CATCH
    IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
END CATCH;
SELECT @added, CASE WHEN EXISTS (SELECT 1 FROM deferred_messages WHERE consumer = @consumer AND partition_key = @key) THEN 1 ELSE 0 END;
GO

-- DeleteManyInbox
DELETE i FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
INNER LOOP JOIN inbox_messages AS i WITH (ROWLOCK) ON i.consumer = @consumer AND i.message_id = message.id AND i.operation = @operation
GO

-- FindDeferredKeys
SELECT wanted.name FROM OPENJSON(@keys) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$') AS wanted WHERE EXISTS (SELECT 1 FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = wanted.name)
GO

-- ListDeferred
SELECT TOP (@limit) d.id, (SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key), CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), d.next_attempt_at) AS float) / 1000, d.state, d.attempts, d.message_id, d.original_id, d.type, d.headers, d.content_type, d.body, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), d.deferred_at) AS float) / 1000, d.reason
FROM deferred_messages AS d WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE d.consumer = @consumer
AND d.id NOT IN (SELECT busy.id FROM OPENJSON(@busy) WITH (id bigint '$') AS busy)
AND d.next_attempt_at <= COALESCE((SELECT MIN(n.next_attempt_at) FROM deferred_messages AS n WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE n.consumer = @consumer AND n.next_attempt_at > SYSUTCDATETIME()), '9999-12-31')
ORDER BY d.consumer, d.next_attempt_at, d.id
GO

-- ReadDeferredOfKey
SELECT TOP (@limit) d.id, (SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key), CAST(0 AS float), d.state, d.attempts, d.message_id, d.original_id, d.type, d.headers, d.content_type, d.body, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), d.deferred_at) AS float) / 1000, d.reason
FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key ORDER BY d.consumer, d.partition_key, d.id
GO

-- LockDeferred
SELECT d.id, d.attempts, (SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key), (SELECT MAX(l.id) FROM deferred_messages AS l WHERE l.consumer = d.consumer AND l.partition_key = d.partition_key), d.state
FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen INNER LOOP JOIN deferred_messages AS d WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) ON d.id = chosen.id
WHERE d.consumer = @consumer ORDER BY d.id
GO

-- DeleteDeferred
DELETE d FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.id = chosen.id
GO

-- PromoteDeferred
UPDATE d SET next_attempt_at = SYSUTCDATETIME()
FROM (SELECT (SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = @consumer AND f.partition_key = wanted.name) AS id FROM OPENJSON(@keys) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$') AS wanted) AS freed
INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.id = freed.id
WHERE (d.next_attempt_at IS NULL AND d.state NOT IN (N'dead', N'gap')) OR (d.next_attempt_at > SYSUTCDATETIME() AND d.state = N'behind')
GO

-- ParkDeferred
UPDATE d SET next_attempt_at = NULL FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.id = chosen.id
GO

-- UnparkDeferred
UPDATE deferred_messages SET next_attempt_at = SYSUTCDATETIME() WHERE consumer = @consumer AND next_attempt_at IS NULL AND state = @state
GO

-- MoveSavepoint
SAVE TRANSACTION before_handler
GO

-- BuryDeferred
UPDATE deferred_messages SET state = 'dead', body = @empty, attempts = @attempts, reason = @reason, error = NULL, last_failed_at = SYSUTCDATETIME(), next_attempt_at = NULL WHERE id = @id
GO

-- HoldDeadLetters
UPDATE d SET attempts = d.attempts FROM dead_letters AS d WITH (UPDLOCK, ROWLOCK) WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking')
GO

-- RecordDeadLetterActions
INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason, previous_body)
SELECT d.id, d.side, d.consumer, d.message_id, @action, @actor, @reason, CASE WHEN @keeps_body = 1 THEN d.body END FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking')
GO

-- ReadConsumerLetters
SELECT d.id, d.consumer, d.message_id, d.original_id, d.type, d.headers, d.content_type, d.body,
    (SELECT count(*) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.message_id = d.message_id AND f.state = N'dead')
FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND d.side = N'consumer' ORDER BY d.id
GO

-- DeleteConsumerLetters
DELETE d FROM dead_letters AS d WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND d.side = N'consumer'
GO

-- EditDeadLetter
UPDATE dead_letters SET body = @body WHERE id = @id AND state IN ('dead', 'blocking')
GO

-- RestoreDeferred
UPDATE deferred_messages SET state = 'failed', attempts = 0, type = @type, headers = @headers, content_type = @content_type, body = @body, next_attempt_at = SYSUTCDATETIME()
WHERE consumer = @consumer AND message_id = @message_id AND state = 'dead'
GO

-- FindBuried
SELECT id, partition_key, key_sequence, source FROM deferred_messages WHERE consumer = @consumer AND message_id = @message_id AND state = 'dead'
GO

-- ListDeadLetterActions
SELECT TOP (@limit) acted_at, dead_letter_id, side, consumer, CAST(message_id AS nvarchar(36)), action, actor, reason, CASE WHEN previous_body IS NULL THEN 0 ELSE 1 END
FROM dead_letter_actions WHERE side <> 'lock' AND dead_letter_id = coalesce(@id, dead_letter_id) ORDER BY id DESC
GO

-- ScanMessages
SELECT max(number), count(*), max(CASE WHEN message_id = @message_id THEN number END)
FROM (SELECT TOP (@limit) m.sequence AS number, m.message_id FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @partition AND m.sequence > @after ORDER BY m.partition, m.sequence) AS page
GO

-- ScanScheduled
SELECT max(number), count(*), max(CASE WHEN message_id = @message_id THEN number END)
FROM (SELECT TOP (@limit) m.id AS number, m.message_id FROM outbox_scheduled AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.id > @after ORDER BY m.id) AS page
GO

-- ReadWaitingMessage
SELECT type, partition_key, created_at, not_before FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @partition AND m.sequence = @sequence
GO

-- ReadScheduledMessage
SELECT type, partition_key, created_at, not_before, partition, sequence FROM outbox_scheduled AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.id = @id
GO

-- FindArchived
SELECT type, partition_key, created_at, published_at, outcome, partition, sequence FROM outbox_archive AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.message_id = @message_id
GO

-- FindDeadLetters
SELECT d.type, d.partition_key, d.created_at, d.first_failed_at, d.last_failed_at, d.id, d.side, d.consumer, d.state, d.attempts, d.reason, d.partition, d.sequence FROM dead_letters AS d WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK)
WHERE d.id IN (SELECT f.id FROM dead_letters AS f WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE f.message_id = @message_id) ORDER BY d.id
GO

-- NextConsumer
SELECT min(name) FROM (
    SELECT min(i.consumer) AS name FROM inbox_messages AS i WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE i.consumer > @after
    UNION ALL SELECT min(m.consumer) FROM deferred_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.consumer > @after
    UNION ALL SELECT min(d.consumer) FROM dead_letters AS d WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE d.side = 'consumer' AND d.consumer > @after) AS names
GO

-- FindApplied
SELECT i.operation, i.received_at FROM inbox_messages AS i WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE i.consumer = @consumer AND i.message_id = @message_id
GO

-- FindDeferred
SELECT m.type, m.partition_key, m.deferred_at, m.state, m.attempts, m.reason, m.next_attempt_at FROM deferred_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.consumer = @consumer AND m.message_id = @message_id
GO

-- FindDeadLetterActions
SELECT a.acted_at, a.dead_letter_id, a.side, a.consumer, a.action, a.actor, a.reason FROM dead_letter_actions AS a WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE a.message_id = @message_id ORDER BY a.id
GO

-- ListDeferredMessages
SELECT TOP (@limit) m.id, m.consumer, m.state, m.attempts, m.message_id AS message_id, m.type, m.partition_key, m.reason, m.deferred_at, m.last_failed_at, m.next_attempt_at FROM deferred_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK)
WHERE m.id > @after AND (@consumer IS NULL OR m.consumer = @consumer) AND (@state IS NULL OR m.state = @state) AND (@type IS NULL OR m.type = @type) AND (@key IS NULL OR m.partition_key = @key) ORDER BY m.id
GO

-- ListDeferredMessagesBack
SELECT TOP (@limit) m.id, m.consumer, m.state, m.attempts, m.message_id AS message_id, m.type, m.partition_key, m.reason, m.deferred_at, m.last_failed_at, m.next_attempt_at FROM deferred_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK)
WHERE m.id < @after AND (@consumer IS NULL OR m.consumer = @consumer) AND (@state IS NULL OR m.state = @state) AND (@type IS NULL OR m.type = @type) AND (@key IS NULL OR m.partition_key = @key) ORDER BY m.id DESC
GO

-- ListDeadLetters
SELECT TOP (@limit) d.id, d.state, d.side, d.consumer, d.sequence, d.type, d.partition_key, d.message_id AS message_id, d.reason, d.attempts, d.first_failed_at, d.last_failed_at, d.source FROM dead_letters AS d WHERE d.id > @after AND (@ids IS NULL OR d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen)) AND (d.state = @state OR (@state IS NULL AND d.state IN ('dead', 'blocking')))
AND (@side IS NULL OR d.side = @side) AND (@consumer IS NULL OR (d.side = 'consumer' AND d.consumer = @consumer))
AND (@type IS NULL OR d.type = @type) AND (@key IS NULL OR d.partition_key = @key)
AND (@since IS NULL OR d.last_failed_at >= @since) AND (@text IS NULL OR CHARINDEX(LOWER(@text), LOWER(d.reason)) > 0) ORDER BY d.id
GO

-- ListDeadLettersBack
SELECT TOP (@limit) d.id, d.state, d.side, d.consumer, d.sequence, d.type, d.partition_key, d.message_id AS message_id, d.reason, d.attempts, d.first_failed_at, d.last_failed_at, d.source FROM dead_letters AS d WHERE d.id < @after AND (@ids IS NULL OR d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen)) AND (d.state = @state OR (@state IS NULL AND d.state IN ('dead', 'blocking')))
AND (@side IS NULL OR d.side = @side) AND (@consumer IS NULL OR (d.side = 'consumer' AND d.consumer = @consumer))
AND (@type IS NULL OR d.type = @type) AND (@key IS NULL OR d.partition_key = @key)
AND (@since IS NULL OR d.last_failed_at >= @since) AND (@text IS NULL OR CHARINDEX(LOWER(@text), LOWER(d.reason)) > 0) ORDER BY d.id DESC
GO

-- ListDeadLettersByFailure
SELECT TOP (@limit) d.id, d.state, d.side, d.consumer, d.sequence, d.type, d.partition_key, d.message_id AS message_id, d.reason, d.attempts, d.first_failed_at, d.last_failed_at, d.source FROM dead_letters AS d WHERE (d.last_failed_at > @at OR (d.last_failed_at = @at AND d.id > @after)) AND (@ids IS NULL OR d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen)) AND (d.state = @state OR (@state IS NULL AND d.state IN ('dead', 'blocking')))
AND (@side IS NULL OR d.side = @side) AND (@consumer IS NULL OR (d.side = 'consumer' AND d.consumer = @consumer))
AND (@type IS NULL OR d.type = @type) AND (@key IS NULL OR d.partition_key = @key)
AND (@since IS NULL OR d.last_failed_at >= @since) AND (@text IS NULL OR CHARINDEX(LOWER(@text), LOWER(d.reason)) > 0) ORDER BY d.last_failed_at, d.id
GO

-- ListDeadLettersByFailureBack
SELECT TOP (@limit) d.id, d.state, d.side, d.consumer, d.sequence, d.type, d.partition_key, d.message_id AS message_id, d.reason, d.attempts, d.first_failed_at, d.last_failed_at, d.source FROM dead_letters AS d WHERE (d.last_failed_at < @at OR (d.last_failed_at = @at AND d.id < @after)) AND (@ids IS NULL OR d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen)) AND (d.state = @state OR (@state IS NULL AND d.state IN ('dead', 'blocking')))
AND (@side IS NULL OR d.side = @side) AND (@consumer IS NULL OR (d.side = 'consumer' AND d.consumer = @consumer))
AND (@type IS NULL OR d.type = @type) AND (@key IS NULL OR d.partition_key = @key)
AND (@since IS NULL OR d.last_failed_at >= @since) AND (@text IS NULL OR CHARINDEX(LOWER(@text), LOWER(d.reason)) > 0) ORDER BY d.last_failed_at DESC, d.id DESC
GO

-- ReadDeadLetter
SELECT d.id, d.state, d.side, d.consumer, d.sequence, d.type, d.partition_key, d.message_id AS message_id, d.reason, d.attempts, d.first_failed_at, d.last_failed_at, d.source, d.original_id, d.content_type, d.headers, d.error, d.partition, d.key_sequence, d.created_at, d.expires_at, DATALENGTH(d.body), substring(d.body, 1, @limit)
FROM dead_letters AS d WHERE d.id = @id
GO

-- CountDeadLetters
SELECT count(*) FROM dead_letters AS d WHERE (@ids IS NULL OR d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen)) AND (d.state = @state OR (@state IS NULL AND d.state IN ('dead', 'blocking')))
AND (@side IS NULL OR d.side = @side) AND (@consumer IS NULL OR (d.side = 'consumer' AND d.consumer = @consumer))
AND (@type IS NULL OR d.type = @type) AND (@key IS NULL OR d.partition_key = @key)
AND (@since IS NULL OR d.last_failed_at >= @since) AND (@text IS NULL OR CHARINDEX(LOWER(@text), LOWER(d.reason)) > 0)
GO

-- ReadLastNumber
SELECT CAST(last_value AS bigint) FROM sys.identity_columns WHERE object_id = OBJECT_ID(N'outbox_messages', N'U')
GO

-- LockInboxKeys
SELECT k.partition_key, k.last_sequence, k.skipped FROM OPENJSON(@keys) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$') AS wanted
INNER LOOP JOIN inbox_keys AS k WITH (UPDLOCK, ROWLOCK) ON k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name
GO

-- AddInboxKeys
SET NOCOUNT ON;
SET XACT_ABORT OFF;
DECLARE @tries int = 0;
WHILE @tries < 10
BEGIN
    BEGIN TRY
        INSERT INTO inbox_keys (consumer, source, partition_key, last_sequence)
        SELECT @consumer, @source, wanted.name, wanted.number FROM OPENJSON(@numbers) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$[0]', number bigint '$[1]') AS wanted
        WHERE NOT EXISTS (SELECT 1 FROM inbox_keys AS k WHERE k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name);
        BREAK;
    END TRY
    BEGIN CATCH
        IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
        SET @tries = @tries + 1;
    END CATCH;
END;
GO

-- MoveInboxKeys
UPDATE k SET last_sequence = wanted.number FROM OPENJSON(@numbers) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$[0]', number bigint '$[1]') AS wanted
INNER LOOP JOIN inbox_keys AS k WITH (ROWLOCK) ON k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name
GO

-- ChangeInboxKey
UPDATE inbox_keys SET last_sequence = @last, skipped = @skipped WHERE consumer = @consumer AND source = @source AND partition_key = @key
GO

-- PromoteNumbers
UPDATE d SET next_attempt_at = SYSUTCDATETIME() FROM OPENJSON(@numbers) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$[0]', number bigint '$[1]') AS wanted
INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.consumer = @consumer AND d.partition_key = wanted.name
WHERE d.key_sequence <= wanted.number AND (d.state = N'gap' OR (d.state = N'failed' AND d.attempts = 0))
GO

-- ReadNumbersOfKey
SELECT TOP (@limit) d.id, (SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key), CAST(0 AS float), d.state, d.attempts, d.message_id, d.original_id, d.type, d.headers, d.content_type, d.body, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), d.deferred_at) AS float) / 1000, d.reason
FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key AND d.key_sequence > @after ORDER BY d.key_sequence, d.id
GO

-- WaitForNumber
UPDATE deferred_messages SET state = @state, reason = @reason, next_attempt_at = DATEADD(millisecond, CAST(@wait AS int), SYSUTCDATETIME()) WHERE id = @id
GO

-- FindLowerNumber
SELECT min(key_sequence) FROM deferred_messages WHERE consumer = @consumer AND partition_key = @key AND key_sequence > @last AND key_sequence < @number AND coalesce(source, '') = @source
GO

-- ListGaps
SELECT TOP (@limit) w.consumer, k.source, w.partition_key, k.last_sequence + 1, -CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), w.since) AS float) / 1000, w.waiting
FROM (SELECT d.consumer, coalesce(d.source, '') AS source, d.partition_key, min(d.deferred_at) AS since, count(*) AS waiting FROM deferred_messages d
    WHERE d.state = 'gap' AND d.consumer = coalesce(@consumer, d.consumer) GROUP BY d.consumer, coalesce(d.source, ''), d.partition_key) w
JOIN inbox_keys k ON k.consumer = w.consumer AND k.source = w.source COLLATE Latin1_General_100_BIN2 AND k.partition_key = w.partition_key
WHERE NOT EXISTS (SELECT 1 FROM deferred_messages e WHERE e.consumer = w.consumer AND e.partition_key = w.partition_key AND e.key_sequence = k.last_sequence + 1)
ORDER BY w.since
GO

-- WriteConsumerStatus
UPDATE consumer_status WITH (UPDLOCK, HOLDLOCK) SET expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), status = @status WHERE consumer = @consumer AND owner = @owner;
IF @@ROWCOUNT = 0
    INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES (@consumer, @owner, DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), @status);
GO

-- RemoveConsumerStatus
DELETE FROM consumer_status WHERE (consumer = @consumer AND owner = @owner) OR CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 < -86400
GO

-- ListConsumerStatus
SELECT consumer, owner, started_at, status FROM consumer_status WHERE CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0 ORDER BY consumer, started_at, owner
GO

-- AcquireLock
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET NOCOUNT ON;
SET XACT_ABORT ON;
DECLARE @taken TABLE (token bigint NOT NULL);
BEGIN TRANSACTION;
UPDATE leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET owner = @owner, token = token + 1, expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), acquired_at = SYSUTCDATETIME()
OUTPUT inserted.token INTO @taken (token)
WHERE name = @name AND expires_at <= SYSUTCDATETIME();
IF @@ROWCOUNT = 0
    INSERT INTO leases (name, owner, token, expires_at, acquired_at)
    OUTPUT inserted.token INTO @taken (token)
    SELECT @name, @owner, COALESCE((SELECT token FROM fences WHERE name = @name), 0) + 1, DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), SYSUTCDATETIME()
    WHERE NOT EXISTS (SELECT 1 FROM leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
IF EXISTS (SELECT 1 FROM @taken)
BEGIN
    UPDATE fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET token = (SELECT token FROM @taken) WHERE name = @name AND token < (SELECT token FROM @taken);
    IF @@ROWCOUNT = 0
        INSERT INTO fences (name, token)
        SELECT @name, token FROM @taken WHERE NOT EXISTS (SELECT 1 FROM fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
END;
COMMIT TRANSACTION;
SELECT token FROM @taken;
GO

-- ReadFence
SELECT token FROM fences WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @name AND token >= @token
GO

-- RaiseFence
UPDATE fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET token = @token WHERE name = @name AND token <= @token;
IF @@ROWCOUNT = 0
    INSERT INTO fences (name, token) SELECT @name, @token WHERE NOT EXISTS (SELECT 1 FROM fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
SELECT token FROM fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name;
GO

-- StealLease
UPDATE leases SET owner = @owner, token = token + 1, expires_at = '19700101' WHERE name = @name AND token = @token
GO

-- DeleteLease
DELETE FROM leases WHERE name = @name AND token = @token
GO

-- ListLocks
SELECT name, owner, token, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000, acquired_at FROM leases WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE name LIKE @pattern ORDER BY name
GO

-- RecordLockAction
INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, action, actor, reason) VALUES (0, 'lock', @name, 'stolen', @actor, @reason)
GO

-- ReadSettings
SELECT partitions, COALESCE(next_partitions, 0) FROM outbox_settings WHERE id = 1
GO

-- PlanPartitions
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE outbox_settings WITH (ROWLOCK) SET next_partitions = @partitions, changed_at = SYSUTCDATETIME() WHERE id = 1 AND next_partitions IS NULL AND EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- TurnPartitions
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE outbox_settings WITH (ROWLOCK) SET partitions = @partitions, next_partitions = -@old, changed_at = SYSUTCDATETIME() WHERE id = 1 AND next_partitions = @partitions AND partitions = @old AND EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- EndPartitions
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE outbox_settings WITH (ROWLOCK) SET next_partitions = NULL, changed_at = SYSUTCDATETIME() WHERE id = 1 AND next_partitions = -@old AND EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- NextPartition
SELECT MIN(m.partition) FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition > @after
GO

-- ReadKeys
SELECT TOP (@limit) m.sequence, m.partition_key FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @partition AND m.sequence > @after ORDER BY m.partition, m.sequence
GO

-- NextUncommittedPartition
SELECT MIN(m.partition) FROM outbox_messages AS m WITH (NOLOCK) WHERE m.partition > @after
GO

-- ReadUncommittedKeys
SELECT TOP (@limit) m.sequence, m.partition_key FROM outbox_messages AS m WITH (NOLOCK) WHERE m.partition = @partition AND m.sequence > @after ORDER BY m.partition, m.sequence
GO

-- ReadScheduledKeys
SELECT TOP (@limit) m.id, m.partition_key, m.partition FROM outbox_scheduled AS m WHERE m.id > @after ORDER BY m.id
GO

-- ReadDeadLetterKeys
SELECT TOP (@limit) m.id, m.partition_key, m.partition FROM dead_letters AS m WHERE m.id > @after AND m.side = N'relay' AND m.partition IS NOT NULL ORDER BY m.id
GO

-- MoveMessages
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE m SET partition = @target FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS settled INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = settled.sequence WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- MoveScheduled
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
UPDATE m SET partition = @target
FROM OPENJSON(@sequences) WITH (id bigint '$') AS moved INNER LOOP JOIN outbox_scheduled AS m WITH (ROWLOCK) ON m.id = moved.id
WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- MoveDeadLetters
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
UPDATE m SET partition = @target
FROM OPENJSON(@sequences) WITH (id bigint '$') AS moved INNER LOOP JOIN dead_letters AS m WITH (ROWLOCK) ON m.id = moved.id
WHERE EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)
GO

-- InsertReceiptRequest
INSERT INTO receipt_requests (message_id, type) VALUES (@message_id, @type)
GO

-- InsertReceipt
SET NOCOUNT OFF;
UPDATE receipts WITH (UPDLOCK, HOLDLOCK) SET outcome = CASE outcome WHEN N'applied' THEN outcome ELSE @outcome END, reason = CASE outcome WHEN N'applied' THEN reason ELSE @reason END,
    occurred_at = CASE outcome WHEN N'applied' THEN occurred_at ELSE @occurred_at END, received_at = CASE outcome WHEN N'applied' THEN received_at ELSE SYSUTCDATETIME() END
WHERE message_id = @message_id AND consumer = @consumer;
IF @@ROWCOUNT = 0
    INSERT INTO receipts (message_id, consumer, outcome, reason, occurred_at) VALUES (@message_id, @consumer, @outcome, @reason, @occurred_at);
GO

-- InsertConsumer
SET NOCOUNT OFF;
UPDATE consumers WITH (UPDLOCK, HOLDLOCK) SET last_seen_at = SYSUTCDATETIME() WHERE name = @name AND type = @type;
IF @@ROWCOUNT = 0
    INSERT INTO consumers (name, type) VALUES (@name, @type);
GO

-- ReadReceipts
SELECT r.message_id, r.consumer, r.outcome, r.reason, r.occurred_at FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
INNER LOOP JOIN receipts AS r ON r.message_id = message.id
GO

-- ReadReceiptRequests
SELECT r.message_id, r.type FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
INNER LOOP JOIN receipt_requests AS r ON r.message_id = message.id
GO

-- ReadConsumers
SELECT name, type FROM consumers WHERE NOT last_seen_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME())
GO

-- DeleteOldReceipts
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.received_at
FROM (SELECT TOP (@limit) message_id, consumer FROM receipts WHERE received_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND received_at >= @from ORDER BY received_at) AS old
INNER LOOP JOIN receipts AS m WITH (ROWLOCK) ON m.message_id = old.message_id AND m.consumer = old.consumer
GO

-- DeleteOldReceiptRequests
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.requested_at
FROM (SELECT TOP (@limit) message_id FROM receipt_requests WHERE requested_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND requested_at >= @from ORDER BY requested_at) AS old
INNER LOOP JOIN receipt_requests AS m WITH (ROWLOCK) ON m.message_id = old.message_id
GO

-- DeleteOldConsumers
DELETE FROM consumers WHERE last_seen_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME())
GO

-- CountMovingRows
SELECT (SELECT count(*) FROM outbox_scheduled AS s WHERE s.not_before <= SYSUTCDATETIME())
+ (SELECT count(*) FROM outbox_messages AS m WHERE (m.not_before IS NULL OR m.not_before <= SYSUTCDATETIME())
    AND NOT EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.side = 'relay' AND d.state = 'blocking' AND d.partition_key = m.partition_key))
GO

-- CountMovingDeferred
SELECT count(*) FROM deferred_messages AS d WHERE d.state <> 'dead'
AND NOT EXISTS (SELECT 1 FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key AND f.state = 'dead' AND f.id < d.id)
GO

-- ListWaitingRows
SELECT type, partition_key FROM outbox_messages ORDER BY sequence
GO

-- ListWaitingDeferred
SELECT consumer, type, partition_key, state, attempts, reason FROM deferred_messages ORDER BY id
GO

-- DeleteDiscardedLetters
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.id
FROM (SELECT TOP (@limit) id FROM dead_letters WITH (INDEX (pk_dead_letters)) WHERE side IN (N'relay', N'consumer') AND state = N'discarded' AND last_failed_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND id > @after ORDER BY id) AS old
INNER LOOP JOIN dead_letters AS m WITH (ROWLOCK) ON m.id = old.id
GO

-- DeleteOldLetterActions
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.id
FROM (SELECT TOP (@limit) id FROM dead_letter_actions WHERE acted_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND id > @after ORDER BY id) AS old
INNER LOOP JOIN dead_letter_actions AS m WITH (ROWLOCK) ON m.id = old.id
GO

-- DeleteOldInboxOfAnyone
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.received_at
FROM (SELECT TOP (@limit) consumer, message_id, operation FROM inbox_messages WITH (INDEX (ix_inbox_messages_received_at)) WHERE operation = N'' AND received_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND received_at >= @from ORDER BY received_at) AS old
INNER LOOP JOIN inbox_messages AS m WITH (ROWLOCK) ON m.consumer = old.consumer AND m.message_id = old.message_id AND m.operation = old.operation
GO

-- CountRedrives
SELECT d.id, count(*) FROM dead_letters AS d JOIN dead_letter_actions AS a ON a.message_id = d.message_id AND a.side = d.side AND a.consumer = d.consumer
WHERE d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking') AND a.action = N'redriven' GROUP BY d.id
GO

-- CountRelays
SELECT count(*) FROM relays WHERE CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0
GO

-- InsertSaga
SET NOCOUNT OFF;
SET XACT_ABORT OFF;
BEGIN TRY
    INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, deadline)
    VALUES (@type, @id, @status, @step, @operation, @round, @attempt, @entries, @state, DATEADD(millisecond, CAST(@wait AS int), SYSUTCDATETIME()));
END TRY
BEGIN CATCH
    IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
END CATCH;
GO

-- ReadSaga
SELECT version, status, step, operation, round, attempt, entries, given_up, state, reason, trouble FROM sagas WHERE type = @type AND id = @id
GO

-- UpdateSaga
UPDATE sagas SET version = version + 1, status = @status, step = @step, operation = @operation, round = @round, attempt = @attempt, entries = @entries, given_up = @given_up,
    state = @state, reason = @reason, trouble = @trouble, updated_at = SYSUTCDATETIME(), deadline = DATEADD(millisecond, CAST(@wait AS int), SYSUTCDATETIME())
WHERE type = @type AND id = @id AND version = @version
GO

-- DeleteSagaSteps
DELETE FROM saga_steps WHERE type = @type AND id = @id
GO

-- InsertDelayedMessage
INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, not_before, expires_at)
VALUES (@message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, DATEADD(millisecond, CAST(@wait AS int), SYSUTCDATETIME()), @expires_at)
GO

-- FindOperation
SELECT 1 FROM inbox_messages WHERE consumer = @consumer AND message_id = @message_id AND operation = @operation
GO

-- DeleteOldCalls
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.received_at
FROM (SELECT TOP (@limit) consumer, message_id, operation FROM inbox_messages WITH (INDEX (ix_inbox_messages_received_at)) WHERE consumer = @consumer AND operation <> N'' AND received_at >= @from AND received_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) ORDER BY received_at) AS old
INNER LOOP JOIN inbox_messages AS m WITH (ROWLOCK) ON m.consumer = old.consumer AND m.message_id = old.message_id AND m.operation = old.operation
GO

-- DeleteOldSagas
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.updated_at
FROM (SELECT TOP (@limit) type, id FROM sagas WITH (INDEX (ix_sagas_updated_at)) WHERE type = @type AND status IN (N'completed', N'compensated', N'failed') AND updated_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND updated_at >= @from ORDER BY updated_at) AS old
INNER LOOP JOIN sagas AS m WITH (ROWLOCK) ON m.type = old.type AND m.id = old.id
GO

-- DeleteOldSagaSteps
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.happened_at
FROM (SELECT TOP (@limit) e.type, e.id, e.number FROM saga_steps AS e WITH (INDEX (ix_saga_steps_happened_at))
    WHERE e.type = @type AND e.happened_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND NOT EXISTS (SELECT 1 FROM sagas AS s WHERE s.type = e.type AND s.id = e.id) AND e.happened_at >= @from ORDER BY e.happened_at) AS old
INNER LOOP JOIN saga_steps AS m WITH (ROWLOCK) ON m.type = old.type AND m.id = old.id AND m.number = old.number
GO

-- ListSagas
SELECT TOP (@limit) s.type, s.id, s.version, s.status, s.step, s.operation, s.attempt, s.given_up, s.reason, s.trouble, s.created_at, s.updated_at, s.deadline, s.state FROM sagas AS s WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK)
WHERE (@status IS NULL OR s.status = @status) AND s.updated_at <= @before AND (s.updated_at < @before OR s.type < @last_type OR (s.type = @last_type AND s.id < @last_id))
    AND (@type IS NULL OR s.type = @type) AND (@id IS NULL OR s.id = @id) ORDER BY s.updated_at DESC, s.type DESC, s.id DESC
GO

-- ListSagasOfStatus
SELECT TOP (@limit) s.type, s.id, s.version, s.status, s.step, s.operation, s.attempt, s.given_up, s.reason, s.trouble, s.created_at, s.updated_at, s.deadline, s.state FROM sagas AS s WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK)
WHERE s.status = @status AND s.updated_at <= @before AND (s.updated_at < @before OR s.type < @last_type OR (s.type = @last_type AND s.id < @last_id))
    AND (@type IS NULL OR s.type = @type) AND (@id IS NULL OR s.id = @id) ORDER BY s.updated_at DESC, s.type DESC, s.id DESC
GO

-- FindSaga
SELECT s.type, s.id, s.version, s.status, s.step, s.operation, s.attempt, s.given_up, s.reason, s.trouble, s.created_at, s.updated_at, s.deadline, s.state FROM sagas AS s WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE s.type = @type AND s.id = @id
GO

-- ReadSagaSteps
SELECT s.number, s.step, s.operation, s.event, s.attempt, s.message_id AS message_id, s.actor, s.reason, s.happened_at FROM saga_steps AS s WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE s.type = @type AND s.id = @id ORDER BY s.number
GO

-- CountSagas
SELECT type, status, COUNT(*) FROM (SELECT TOP (@limit) type, status FROM sagas WITH (NOLOCK) WHERE 1 = 1) AS counted GROUP BY type, status
GO

-- PrepareSurveyConnection
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1000;
GO

-- CountInbox
SELECT COUNT(*) FROM (SELECT TOP (@limit) 1 AS one FROM inbox_messages WITH (NOLOCK) WHERE consumer = @consumer) AS remembered
GO

-- ListActions
SELECT TOP (@limit) a.id, a.acted_at, a.dead_letter_id, a.side, a.consumer, a.message_id AS message_id, a.action, a.actor, a.reason, CASE WHEN a.previous_body IS NULL THEN 0 ELSE 1 END AS keeps
FROM dead_letter_actions AS a WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE a.id < @before AND (@actor IS NULL OR a.actor = @actor) AND (@action IS NULL OR a.action = @action) ORDER BY a.id DESC
GO

-- InsertMarker
INSERT INTO transaction_markers (transaction_id, branch) VALUES (@transaction_id, @branch)
GO

-- FindMarker
SELECT 1 FROM transaction_markers WHERE transaction_id = @transaction_id AND branch = @branch
GO

-- ReadCoordinator
SELECT origin, incarnation, SYSUTCDATETIME() FROM transaction_coordinators WHERE name = @name
GO

-- InsertCoordinator
INSERT INTO transaction_coordinators (name, origin, incarnation) VALUES (@name, @origin, 1)
GO

-- RaiseIncarnation
UPDATE transaction_coordinators SET incarnation = incarnation + 1, raised_at = SYSUTCDATETIME(), raised_by = @actor, reason = @reason WHERE name = @name
GO

-- InsertDecision
INSERT INTO transaction_decisions (transaction_id, coordinator, decision, reason, decided_by, branches)
VALUES (@transaction_id, @coordinator, @decision, @reason, @decided_by, @branches)
GO

-- FindDecision
SELECT transaction_id, decision, reason, decided_by, branches, decided_at, outcome, finished_at FROM transaction_decisions WHERE transaction_id = @transaction_id
GO

-- ListUnfinished
SELECT TOP (@limit) transaction_id, decision, reason, decided_by, branches, decided_at, outcome, finished_at FROM transaction_decisions WHERE outcome IS NULL AND coordinator = @coordinator AND decided_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) ORDER BY decided_at
GO

-- ListDecisions
SELECT TOP (@limit) transaction_id, decision, reason, decided_by, branches, decided_at, outcome, finished_at FROM transaction_decisions WHERE coordinator = @coordinator ORDER BY decided_at DESC
GO

-- ListHeuristic
SELECT TOP (@limit) transaction_id, decision, reason, decided_by, branches, decided_at, outcome, finished_at FROM transaction_decisions WHERE coordinator = @coordinator AND outcome = 'heuristic' ORDER BY decided_at DESC
GO

-- FinishDecision
UPDATE transaction_decisions SET outcome = CASE decision WHEN 'commit' THEN 'committed' ELSE 'rolled-back' END, finished_at = SYSUTCDATETIME() WHERE transaction_id = @transaction_id AND (outcome IS NULL OR outcome = 'heuristic')
GO

-- RecordOutcome
UPDATE transaction_decisions SET outcome = @outcome, branches = @branches, finished_at = SYSUTCDATETIME() WHERE transaction_id = @transaction_id AND outcome IS NULL
GO

-- DeleteOldDecisions
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.decided_at
FROM (SELECT TOP (@limit) transaction_id FROM transaction_decisions WHERE outcome = @outcome AND decided_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND decided_at >= @from ORDER BY decided_at) AS old
INNER LOOP JOIN transaction_decisions AS m WITH (ROWLOCK) ON m.transaction_id = old.transaction_id
GO

-- DeleteOldMarkers
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DELETE m OUTPUT deleted.created_at
FROM (SELECT TOP (@limit) transaction_id, branch FROM transaction_markers WHERE created_at < DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME()) AND created_at >= @from ORDER BY created_at) AS old
INNER LOOP JOIN transaction_markers AS m WITH (ROWLOCK) ON m.transaction_id = old.transaction_id AND m.branch = old.branch
GO

-- ListSequences(spans)
SELECT TOP (@limit) m.sequence
FROM OPENJSON(@spans) WITH (low bigint '$[0]', high bigint '$[1]') AS span INNER LOOP JOIN outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) ON m.partition = @partition AND m.sequence BETWEEN span.low AND span.high
ORDER BY m.sequence
GO

-- ListUncommitted(spans)
SELECT TOP (@limit) m.sequence
FROM OPENJSON(@spans) WITH (low bigint '$[0]', high bigint '$[1]') AS span INNER LOOP JOIN outbox_messages AS m WITH (NOLOCK) ON m.partition = @partition AND m.sequence BETWEEN span.low AND span.high
ORDER BY m.sequence
GO

-- Beat(held, floors)
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
UPDATE relays WITH (ROWLOCK) SET expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), status = @status WHERE owner = @owner;
IF @@ROWCOUNT = 0 INSERT INTO relays (owner, expires_at, status) VALUES (@owner, DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()), @status);
UPDATE leases SET expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()) WHERE ((name = @n0 AND token = @t0) OR (name = @n1 AND token = @t1)) AND CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0;
SELECT 'renewed' AS what, name, '' AS owner, token AS number, 0.0 AS seconds FROM leases WHERE ((name = @n0 AND token = @t0) OR (name = @n1 AND token = @t1)) AND CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0 UNION ALL
SELECT 'lease' AS what, name, owner, token AS number, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 AS seconds FROM leases WHERE name LIKE 'relay/%'
UNION ALL SELECT 'relay', owner, owner, 0, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 FROM relays WHERE CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0 AND owner <> @owner
UNION ALL SELECT 'settings', '', '', partitions, COALESCE(next_partitions, 0) FROM outbox_settings
UNION ALL SELECT 'rows', '', '', number, 0 FROM (SELECT number FROM (SELECT TOP (1) m.partition AS number FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @p0 AND m.sequence > @f0 ORDER BY m.partition, m.sequence) AS first0 UNION ALL SELECT number FROM (SELECT TOP (1) m.partition AS number FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @p1 AND m.sequence > @f1 ORDER BY m.partition, m.sequence) AS first1) AS found
GO

-- Look(floors)
SELECT 'lease' AS what, name, owner, token AS number, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 AS seconds FROM leases WHERE name LIKE 'relay/%'
UNION ALL SELECT 'relay', owner, owner, 0, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 FROM relays WHERE CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0 AND owner <> @owner
UNION ALL SELECT 'settings', '', '', partitions, COALESCE(next_partitions, 0) FROM outbox_settings
UNION ALL SELECT 'rows', '', '', number, 0 FROM (SELECT number FROM (SELECT TOP (1) m.partition AS number FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @p0 AND m.sequence > @f0 ORDER BY m.partition, m.sequence) AS first0 UNION ALL SELECT number FROM (SELECT TOP (1) m.partition AS number FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @p1 AND m.sequence > @f1 ORDER BY m.partition, m.sequence) AS first1) AS found
GO

-- FindRows(floors)
SELECT number FROM (SELECT TOP (1) m.partition AS number FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @p0 AND m.sequence > @f0 ORDER BY m.partition, m.sequence) AS first0 UNION ALL SELECT number FROM (SELECT TOP (1) m.partition AS number FROM outbox_messages AS m WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE m.partition = @p1 AND m.sequence > @f1 ORDER BY m.partition, m.sequence) AS first1
GO

-- InsertDeferred(messages)
INSERT INTO deferred_messages (consumer, message_id, partition_key, key_sequence, source, original_id, type, headers, content_type, body, state, attempts, reason, error, last_failed_at, next_attempt_at)
SELECT v.consumer, v.message_id, v.partition_key, v.key_sequence, v.source, v.original_id, v.type, v.headers, v.content_type, v.body, v.state, v.attempts, v.reason, v.error, v.last_failed_at, v.next_attempt_at
FROM (VALUES (0, @consumer, @message_id0, @partition_key0, @key_sequence0, @source0, @original_id0, @type0, @headers0, @content_type0, @body0, @state0, @attempts0, @reason0, @error0, CASE WHEN @attempts0 > 0 THEN SYSUTCDATETIME() END, DATEADD(millisecond, CAST(@wait0 AS int), SYSUTCDATETIME())), (1, @consumer, @message_id1, @partition_key1, @key_sequence1, @source1, @original_id1, @type1, @headers1, @content_type1, @body1, @state1, @attempts1, @reason1, @error1, CASE WHEN @attempts1 > 0 THEN SYSUTCDATETIME() END, DATEADD(millisecond, CAST(@wait1 AS int), SYSUTCDATETIME())))
    AS v (place, consumer, message_id, partition_key, key_sequence, source, original_id, type, headers, content_type, body, state, attempts, reason, error, last_failed_at, next_attempt_at)
WHERE NOT EXISTS (SELECT 1 FROM deferred_messages AS d WITH (UPDLOCK, HOLDLOCK) WHERE d.consumer = v.consumer AND d.message_id = v.message_id)
ORDER BY v.place
GO

-- DeferAgain(messages)
UPDATE deferred_messages SET state = @state0, attempts = @attempts0, reason = @reason0, error = coalesce(@error0, error), last_failed_at = SYSUTCDATETIME(), next_attempt_at = DATEADD(millisecond, CAST(@wait0 AS int), SYSUTCDATETIME()) WHERE id = @id0;
UPDATE deferred_messages SET state = @state1, attempts = @attempts1, reason = @reason1, error = coalesce(@error1, error), last_failed_at = SYSUTCDATETIME(), next_attempt_at = DATEADD(millisecond, CAST(@wait1 AS int), SYSUTCDATETIME()) WHERE id = @id1
GO

-- RenewLeases(held)
SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; UPDATE leases WITH (ROWLOCK) SET expires_at = DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME()) WHERE ((name = @n0 AND token = @t0) OR (name = @n1 AND token = @t1)) AND CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0
GO

-- InsertSagaSteps(entries)
INSERT INTO saga_steps (type, id, number, step, operation, event, attempt, message_id, actor, reason, happened_at)
VALUES (@type, @id, @number0, @step0, @operation0, @event0, @attempt0, @message_id0, @actor0, @reason0, SYSUTCDATETIME()),
    (@type, @id, @number1, @step1, @operation1, @event1, @attempt1, @message_id1, @actor1, @reason1, SYSUTCDATETIME())
GO

-- Survey(partitions)
SELECT 'settings' AS what, '' AS name, '' AS owner, partitions AS number, COALESCE(next_partitions, 0) AS other, 0.0 AS seconds, '' AS status FROM outbox_settings
UNION ALL SELECT 'sequence', '', '', COALESCE(CAST(IDENT_CURRENT(N'outbox_messages') AS bigint), 0), 0, 0.0, ''
UNION ALL SELECT 'lease', name, owner, token, 0, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000, '' FROM (SELECT TOP (@limit) name, owner, token, expires_at FROM leases WITH (NOLOCK) WHERE 1 = 1) AS leases_
UNION ALL SELECT 'relay', '', owner, 0, 0, -CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), started_at) AS float) / 1000, COALESCE(status, '') FROM relays WHERE CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0
UNION ALL SELECT 'consumer', consumer, owner, 0, 0, -CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), started_at) AS float) / 1000, COALESCE(status, '') FROM consumer_status WHERE CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), expires_at) AS float) / 1000 > 0
UNION ALL SELECT 'scheduled', '', '', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM outbox_scheduled WITH (NOLOCK) WHERE 1 = 1) AS scheduled_
UNION ALL SELECT 'stray', '', '', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition < 0) AS below_
UNION ALL SELECT 'stray', '', '', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition >= 2) AS above_
UNION ALL SELECT 'deferred', consumer, state, COUNT(*), 0, -MIN(CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), deferred_at) AS float) / 1000), '' FROM (SELECT TOP (@limit) consumer, state, deferred_at FROM deferred_messages WITH (NOLOCK) WHERE 1 = 1) AS deferred_ GROUP BY consumer, state
UNION ALL SELECT 'letters', 'relay', 'dead', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM dead_letters WITH (NOLOCK) WHERE side = 'relay' AND state = 'dead') AS relay_dead_
UNION ALL SELECT 'letters', 'relay', 'blocking', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM dead_letters WITH (NOLOCK) WHERE side = 'relay' AND state = 'blocking') AS relay_blocking_
UNION ALL SELECT 'keys', 'relay', '', COUNT(DISTINCT partition_key), 0, 0.0, '' FROM (SELECT TOP (@limit) partition_key FROM dead_letters WITH (NOLOCK) WHERE side = 'relay' AND state = 'blocking') AS relay_keys_
UNION ALL SELECT 'letters', 'consumer', 'dead', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM dead_letters WITH (NOLOCK) WHERE side = 'consumer' AND state = 'dead') AS consumer_dead_
UNION ALL SELECT 'letters', 'consumer', 'blocking', COUNT(*), 0, 0.0, '' FROM (SELECT TOP (@limit) 1 AS one FROM dead_letters WITH (NOLOCK) WHERE side = 'consumer' AND state = 'blocking') AS consumer_blocking_
UNION ALL SELECT 'keys', 'consumer', '', COUNT(DISTINCT partition_key), 0, 0.0, '' FROM (SELECT TOP (@limit) partition_key FROM dead_letters WITH (NOLOCK) WHERE side = 'consumer' AND state = 'blocking') AS consumer_keys_
UNION ALL SELECT 'rows', '0', '', counted, COALESCE(span, 0), COALESCE(seconds, -1.0), '' FROM (SELECT (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition = 0) AS waiting) AS counted,
    (SELECT MAX(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = 0) - (SELECT MIN(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = 0) + 1 AS span,
    (SELECT CAST(DATEDIFF_BIG(millisecond, MIN(since), SYSUTCDATETIME()) AS float) / 1000
     FROM (SELECT TOP (1000) CASE WHEN not_before > created_at THEN not_before ELSE created_at END AS since
           FROM outbox_messages WITH (NOLOCK) WHERE partition = 0 ORDER BY partition, sequence) AS waiting
     WHERE since <= SYSUTCDATETIME()) AS seconds) AS rows0_
UNION ALL SELECT 'rows', '1', '', counted, COALESCE(span, 0), COALESCE(seconds, -1.0), '' FROM (SELECT (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition = 1) AS waiting) AS counted,
    (SELECT MAX(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = 1) - (SELECT MIN(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = 1) + 1 AS span,
    (SELECT CAST(DATEDIFF_BIG(millisecond, MIN(since), SYSUTCDATETIME()) AS float) / 1000
     FROM (SELECT TOP (1000) CASE WHEN not_before > created_at THEN not_before ELSE created_at END AS since
           FROM outbox_messages WITH (NOLOCK) WHERE partition = 1 ORDER BY partition, sequence) AS waiting
     WHERE since <= SYSUTCDATETIME()) AS seconds) AS rows1_
GO

-- CountWaitingByType(partitions)
SELECT type, COUNT(*), -MIN(CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), created_at) AS float) / 1000) FROM (
SELECT type, created_at FROM (SELECT TOP (@limit) type, created_at FROM outbox_messages WITH (NOLOCK) WHERE partition = 0) AS p0
UNION ALL SELECT type, created_at FROM (SELECT TOP (@limit) type, created_at FROM outbox_messages WITH (NOLOCK) WHERE partition = 1) AS p1
) AS waiting GROUP BY type ORDER BY 2 DESC
GO
