CREATE TABLE IF NOT EXISTS outbox_messages (
    sequence bigint NOT NULL AUTO_INCREMENT,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    `partition` smallint NOT NULL DEFAULT 0,
    partition_key varchar(200) NULL,
    key_sequence bigint NULL,
    type varchar(200) NOT NULL,
    headers longtext NULL,
    content_type varchar(100) NOT NULL DEFAULT 'application/json',
    body longblob NOT NULL,
    created_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    not_before datetime(6) NULL,
    expires_at datetime(6) NULL,
    CONSTRAINT pk_outbox_messages PRIMARY KEY (`partition`, sequence),
    KEY ix_outbox_messages_sequence (sequence)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0;

CREATE TABLE IF NOT EXISTS outbox_archive (
    sequence bigint NOT NULL,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    `partition` smallint NOT NULL,
    partition_key varchar(200) NULL,
    key_sequence bigint NULL,
    type varchar(200) NOT NULL,
    headers longtext NULL,
    content_type varchar(100) NOT NULL,
    body longblob NOT NULL,
    created_at datetime(6) NOT NULL,
    not_before datetime(6) NULL,
    expires_at datetime(6) NULL,
    published_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    outcome varchar(20) NOT NULL DEFAULT 'published',
    CONSTRAINT pk_outbox_archive PRIMARY KEY (sequence, message_id),
    KEY ix_outbox_archive_published_at (published_at),
    KEY ix_outbox_archive_message_id (message_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS outbox_scheduled (
    id bigint NOT NULL AUTO_INCREMENT,
    `partition` smallint NOT NULL,
    not_before datetime(6) NOT NULL,
    sequence bigint NOT NULL,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    partition_key varchar(200) NULL,
    key_sequence bigint NULL,
    type varchar(200) NOT NULL,
    headers longtext NULL,
    content_type varchar(100) NOT NULL,
    body longblob NOT NULL,
    created_at datetime(6) NOT NULL,
    expires_at datetime(6) NULL,
    CONSTRAINT pk_outbox_scheduled PRIMARY KEY (id),
    KEY ix_outbox_scheduled_due (`partition`, not_before, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0;

CREATE TABLE IF NOT EXISTS leases (
    name varchar(200) NOT NULL,
    owner varchar(200) NOT NULL,
    token bigint NOT NULL,
    expires_at datetime(6) NOT NULL,
    acquired_at datetime(6) NULL,
    CONSTRAINT pk_leases PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS inbox_messages (
    consumer varchar(100) NOT NULL,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    operation varchar(100) NOT NULL DEFAULT '',
    received_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_inbox_messages PRIMARY KEY (consumer, message_id, operation),
    KEY ix_inbox_messages_received_at (received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS dead_letters (
    id bigint NOT NULL AUTO_INCREMENT,
    side varchar(20) NOT NULL,
    consumer varchar(100) NOT NULL DEFAULT '',
    source varchar(200) NULL,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NULL,
    original_id longtext NULL,
    type longtext NULL,
    partition_key longtext NULL,
    headers longtext NULL,
    content_type longtext NULL,
    body longblob NOT NULL,
    reason longtext NOT NULL,
    error longtext NULL,
    attempts int NOT NULL,
    first_failed_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    last_failed_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    state varchar(20) NOT NULL DEFAULT 'dead',
    `partition` smallint NULL,
    sequence bigint NULL,
    key_sequence bigint NULL,
    created_at datetime(6) NULL,
    expires_at datetime(6) NULL,
    CONSTRAINT pk_dead_letters PRIMARY KEY (id),
    UNIQUE KEY ux_dead_letters_message (side, consumer, message_id),
    KEY ix_dead_letters_state (side, state, `partition`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS dead_letter_actions (
    id bigint NOT NULL AUTO_INCREMENT,
    dead_letter_id bigint NOT NULL,
    side varchar(20) NOT NULL,
    consumer varchar(100) NOT NULL,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NULL,
    action varchar(20) NOT NULL,
    actor varchar(200) NOT NULL,
    reason longtext NULL,
    previous_body longblob NULL,
    acted_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_dead_letter_actions PRIMARY KEY (id),
    KEY ix_dead_letter_actions_letter (dead_letter_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS deferred_messages (
    id bigint NOT NULL AUTO_INCREMENT,
    consumer varchar(100) NOT NULL,
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    partition_key varchar(200) NULL,
    key_sequence bigint NULL,
    source longtext NULL,
    original_id longtext NULL,
    type longtext NULL,
    headers longtext NULL,
    content_type longtext NULL,
    body longblob NOT NULL,
    state varchar(20) NOT NULL,
    attempts int NOT NULL,
    reason longtext NULL,
    error longtext NULL,
    deferred_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    last_failed_at datetime(6) NULL,
    next_attempt_at datetime(6) NULL,
    CONSTRAINT pk_deferred_messages PRIMARY KEY (id),
    UNIQUE KEY ux_deferred_messages_message (consumer, message_id),
    KEY ix_deferred_messages_key (consumer, partition_key, id),
    KEY ix_deferred_messages_due (consumer, next_attempt_at, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0;

CREATE TABLE IF NOT EXISTS relays (
    owner varchar(200) NOT NULL,
    started_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    expires_at datetime(6) NOT NULL,
    status longtext NULL,
    CONSTRAINT pk_relays PRIMARY KEY (owner)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS consumers (
    name varchar(100) NOT NULL,
    type varchar(200) NOT NULL,
    last_seen_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_consumers PRIMARY KEY (name, type)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS receipt_requests (
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    type varchar(200) NOT NULL,
    requested_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_receipt_requests PRIMARY KEY (message_id),
    KEY ix_receipt_requests_requested_at (requested_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS receipts (
    message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    consumer varchar(100) NOT NULL,
    outcome varchar(20) NOT NULL,
    reason longtext NULL,
    occurred_at datetime(6) NOT NULL,
    received_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_receipts PRIMARY KEY (message_id, consumer),
    KEY ix_receipts_received_at (received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS inbox_keys (
    consumer varchar(100) NOT NULL,
    source varchar(100) NOT NULL,
    partition_key varchar(200) NOT NULL,
    last_sequence bigint NOT NULL,
    skipped longtext NULL,
    CONSTRAINT pk_inbox_keys PRIMARY KEY (consumer, source, partition_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS consumer_status (
    consumer varchar(100) NOT NULL,
    owner varchar(200) NOT NULL,
    started_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    expires_at datetime(6) NOT NULL,
    status longtext NULL,
    CONSTRAINT pk_consumer_status PRIMARY KEY (consumer, owner)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS fences (
    name varchar(200) NOT NULL,
    token bigint NOT NULL,
    CONSTRAINT pk_fences PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS outbox_settings (
    id smallint NOT NULL,
    partitions smallint NOT NULL DEFAULT 1,
    next_partitions smallint NULL,
    changed_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_outbox_settings PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT IGNORE INTO outbox_settings (id) VALUES (1);

CREATE TABLE IF NOT EXISTS outbox_schema (
    version int NOT NULL,
    applied_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
    CONSTRAINT pk_outbox_schema PRIMARY KEY (version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT IGNORE INTO outbox_schema (version) VALUES (6);
