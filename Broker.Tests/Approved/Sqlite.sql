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
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
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
    published_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
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
    received_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
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
    first_failed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    last_failed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
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
    acted_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
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
    deferred_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    last_failed_at TEXT NULL,
    next_attempt_at TEXT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ux_deferred_messages_message ON deferred_messages (consumer, message_id);
CREATE INDEX IF NOT EXISTS ix_deferred_messages_key ON deferred_messages (consumer, partition_key, id);
CREATE INDEX IF NOT EXISTS ix_deferred_messages_due ON deferred_messages (consumer, next_attempt_at, id);

CREATE TABLE IF NOT EXISTS relays (
    owner TEXT NOT NULL CONSTRAINT pk_relays PRIMARY KEY,
    started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    expires_at TEXT NOT NULL,
    status TEXT NULL
);

CREATE TABLE IF NOT EXISTS consumers (
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    last_seen_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    CONSTRAINT pk_consumers PRIMARY KEY (name, type)
);

CREATE TABLE IF NOT EXISTS receipt_requests (
    message_id TEXT NOT NULL CONSTRAINT pk_receipt_requests PRIMARY KEY,
    type TEXT NOT NULL,
    requested_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX IF NOT EXISTS ix_receipt_requests_requested_at ON receipt_requests (requested_at);

CREATE TABLE IF NOT EXISTS receipts (
    message_id TEXT NOT NULL,
    consumer TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NULL,
    occurred_at TEXT NOT NULL,
    received_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    CONSTRAINT pk_receipts PRIMARY KEY (message_id, consumer)
);
CREATE INDEX IF NOT EXISTS ix_receipts_received_at ON receipts (received_at);

CREATE TABLE IF NOT EXISTS inbox_keys (
    consumer TEXT NOT NULL,
    source TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    last_sequence INTEGER NOT NULL,
    skipped TEXT NULL,
    CONSTRAINT pk_inbox_keys PRIMARY KEY (consumer, source, partition_key)
);

CREATE TABLE IF NOT EXISTS consumer_status (
    consumer TEXT NOT NULL,
    owner TEXT NOT NULL,
    started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    expires_at TEXT NOT NULL,
    status TEXT NULL,
    CONSTRAINT pk_consumer_status PRIMARY KEY (consumer, owner)
);

CREATE TABLE IF NOT EXISTS transaction_decisions (
    transaction_id TEXT NOT NULL CONSTRAINT pk_transaction_decisions PRIMARY KEY,
    coordinator TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NULL,
    decided_by TEXT NOT NULL,
    branches TEXT NOT NULL,
    decided_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    outcome TEXT NULL,
    finished_at TEXT NULL
);
CREATE INDEX IF NOT EXISTS ix_transaction_decisions_outcome ON transaction_decisions (outcome, decided_at);
CREATE INDEX IF NOT EXISTS ix_transaction_decisions_coordinator ON transaction_decisions (coordinator, decided_at);

CREATE TABLE IF NOT EXISTS transaction_markers (
    transaction_id TEXT NOT NULL,
    branch TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    CONSTRAINT pk_transaction_markers PRIMARY KEY (transaction_id, branch)
);
CREATE INDEX IF NOT EXISTS ix_transaction_markers_created_at ON transaction_markers (created_at);

CREATE TABLE IF NOT EXISTS transaction_coordinators (
    name TEXT NOT NULL CONSTRAINT pk_transaction_coordinators PRIMARY KEY,
    origin TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    raised_at TEXT NULL,
    raised_by TEXT NULL,
    reason TEXT NULL
);

CREATE TABLE IF NOT EXISTS sagas (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    status TEXT NOT NULL,
    step TEXT NULL,
    operation TEXT NOT NULL,
    round INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    given_up INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    reason TEXT NULL,
    trouble TEXT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    deadline TEXT NULL,
    CONSTRAINT pk_sagas PRIMARY KEY (type, id)
);
CREATE INDEX IF NOT EXISTS ix_sagas_status ON sagas (status, updated_at);
CREATE INDEX IF NOT EXISTS ix_sagas_updated_at ON sagas (updated_at);

CREATE TABLE IF NOT EXISTS saga_steps (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    step TEXT NULL,
    operation TEXT NULL,
    event TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    message_id TEXT NULL,
    actor TEXT NULL,
    reason TEXT NULL,
    happened_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    CONSTRAINT pk_saga_steps PRIMARY KEY (type, id, number)
);
CREATE INDEX IF NOT EXISTS ix_saga_steps_happened_at ON saga_steps (happened_at);

CREATE TABLE IF NOT EXISTS fences (
    name TEXT NOT NULL CONSTRAINT pk_fences PRIMARY KEY,
    token INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS outbox_settings (
    id INTEGER NOT NULL CONSTRAINT pk_outbox_settings PRIMARY KEY,
    partitions INTEGER NOT NULL DEFAULT 1,
    next_partitions INTEGER NULL,
    changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
INSERT OR IGNORE INTO outbox_settings (id) VALUES (1);

CREATE TABLE IF NOT EXISTS outbox_schema (
    version INTEGER NOT NULL CONSTRAINT pk_outbox_schema PRIMARY KEY,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
INSERT OR IGNORE INTO outbox_schema (version) VALUES (6);

COMMIT;
