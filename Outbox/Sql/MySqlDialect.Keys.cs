namespace Outbox.Sql;

/// <summary>A consumer's progress in the numbers of keys, and what its processes say of themselves.</summary>
internal sealed partial class MySqlDialect
{
    private const string ConsumerTables =
        """
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
        """;

    private const string Numbers = "JSON_TABLE(@numbers, '$[*]' COLUMNS (name varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]', number bigint PATH '$[1]')) AS wanted";

    internal override string LockInboxKeys =>
        $"""
        SELECT k.partition_key, k.last_sequence, k.skipped FROM {WantedKeys}
        STRAIGHT_JOIN inbox_keys k FORCE INDEX (PRIMARY) ON k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name FOR UPDATE
        """;

    // Not IGNORE: it leaves a shared lock on a row that is there, and two who want more than that then wait for each other.
    internal override string AddInboxKeys =>
        $"INSERT INTO inbox_keys (consumer, source, partition_key, last_sequence) SELECT @consumer, @source, wanted.name, wanted.number FROM {Numbers} ON DUPLICATE KEY UPDATE last_sequence = inbox_keys.last_sequence";

    internal override string MoveInboxKeys =>
        $"""
        UPDATE {Numbers} STRAIGHT_JOIN inbox_keys k FORCE INDEX (PRIMARY) ON k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name
        SET k.last_sequence = wanted.number
        """;

    internal override string PromoteNumbers =>
        $"""
        UPDATE {Numbers} STRAIGHT_JOIN deferred_messages d FORCE INDEX (ix_deferred_messages_key) ON d.consumer = @consumer AND d.partition_key = wanted.name
        SET d.next_attempt_at = utc_timestamp(6) WHERE d.key_sequence <= wanted.number AND (d.state = 'gap' OR (d.state = 'failed' AND d.attempts = 0))
        """;

    internal override string ReadNumbersOfKey =>
        $"""
        SELECT d.id, {FirstOfKey}, 0e0, {DeferredColumns} FROM deferred_messages d FORCE INDEX (ix_deferred_messages_key)
        WHERE d.consumer = @consumer AND d.partition_key = @key AND d.key_sequence > @after ORDER BY d.key_sequence, d.id LIMIT @limit
        """;

    internal override string ListGaps => GapsOf($"-({SecondsUntil("w.since")})") + " LIMIT @limit";

    internal override string WriteConsumerStatus =>
        $"INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES (@consumer, @owner, {Expiry}, @status) ON DUPLICATE KEY UPDATE expires_at = {Expiry}, status = @status";
}
