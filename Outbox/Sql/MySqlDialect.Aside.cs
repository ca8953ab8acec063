namespace Outbox.Sql;

/// <summary>Rows beside the straight way: scheduled, dead, archived.</summary>
internal sealed partial class MySqlDialect
{
    private const string Row = "message_id, `partition`, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at";

    internal override IReadOnlyList<string> ScheduleMessages =>
    [
        $"""
        INSERT INTO outbox_scheduled (sequence, {Row})
        SELECT m.sequence, m.message_id, m.`partition`, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at, m.not_before, m.expires_at
        FROM {Wanted} WHERE {IfHeld} ORDER BY m.sequence
        """,
        SettleMessages,
    ];

    internal override string ListScheduled =>
        "SELECT id, timestampdiff(MICROSECOND, utc_timestamp(6), not_before) / 1e6 FROM outbox_scheduled FORCE INDEX (ix_outbox_scheduled_due) WHERE `partition` = @partition ORDER BY `partition`, not_before, id LIMIT @limit";

    private const string Due = "JSON_TABLE(@sequences, '$[*]' COLUMNS (id bigint PATH '$')) AS due STRAIGHT_JOIN outbox_scheduled m FORCE INDEX (PRIMARY) ON m.id = due.id AND m.`partition` = @partition";

    internal override IReadOnlyList<string> ReturnMessages =>
    [
        $"""
        INSERT INTO outbox_messages ({Row})
        SELECT m.message_id, m.`partition`, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at, m.not_before, m.expires_at
        FROM {Due} WHERE {IfHeld} ORDER BY m.not_before, m.id
        """,
        $"DELETE m FROM {Due} WHERE {IfHeld}",
    ];

    internal override IReadOnlyList<string> DeadLetterMessages =>
    [
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, attempts, first_failed_at, state, sequence, `partition`, key_sequence, created_at, expires_at)
        SELECT 'relay', CAST(m.sequence AS char(20)), @source, m.message_id, m.message_id, m.type, m.partition_key, m.headers, m.content_type, m.body, letter.reason, letter.attempts,
            utc_timestamp(6) - INTERVAL letter.age * 1000000 MICROSECOND, letter.state, m.sequence, m.`partition`, m.key_sequence, m.created_at, m.expires_at
        FROM JSON_TABLE(@letters, '$[*]' COLUMNS (sequence bigint PATH '$.sequence', attempts int PATH '$.attempts', reason varchar(2000) CHARACTER SET utf8mb4 PATH '$.reason', age double PATH '$.age', state varchar(20) PATH '$.state')) AS letter
        STRAIGHT_JOIN outbox_messages m FORCE INDEX (PRIMARY) ON m.`partition` = @partition AND m.sequence = letter.sequence
        WHERE {IfHeld} ORDER BY m.sequence
        ON DUPLICATE KEY UPDATE reason = VALUES(reason), attempts = VALUES(attempts), last_failed_at = utc_timestamp(6), state = VALUES(state)
        """,
        SettleMessages,
    ];

    internal override string ReadBlocking =>
        """
        SELECT partition_key, sequence, type, reason, timestampdiff(MICROSECOND, first_failed_at, utc_timestamp(6)) / 1e6
        FROM dead_letters WHERE side = 'relay' AND state = 'blocking' AND `partition` = @partition AND partition_key IS NOT NULL
        """;

    private const string ChosenLetters = "d.id IN (SELECT chosen.id FROM JSON_TABLE(@ids, '$[*]' COLUMNS (id bigint PATH '$')) AS chosen) AND d.state IN ('dead', 'blocking')";

    private const string Chosen = $"{ChosenLetters} AND d.side = 'relay'";

    internal override IReadOnlyList<string> RedriveDeadLetters =>
    [
        $"""
        INSERT INTO outbox_messages (sequence, message_id, `partition`, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.sequence, d.message_id, d.`partition`, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters d
        WHERE {Chosen} AND d.state = 'blocking' AND NOT EXISTS (SELECT 1 FROM outbox_messages m WHERE m.`partition` = d.`partition` AND m.sequence = d.sequence)
        """,
        $"""
        DELETE d FROM dead_letters d WHERE {Chosen} AND d.state = 'blocking'
        AND EXISTS (SELECT 1 FROM outbox_messages m WHERE m.`partition` = d.`partition` AND m.sequence = d.sequence AND m.message_id = d.message_id)
        """,
        $"""
        INSERT INTO outbox_messages (message_id, `partition`, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.message_id, d.`partition`, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters d WHERE {Chosen} ORDER BY d.sequence
        """,
        $"DELETE d FROM dead_letters d WHERE {Chosen}",
    ];

    internal override string DiscardDeadLetters => $"UPDATE dead_letters d SET d.state = 'discarded', d.error = @note, d.last_failed_at = utc_timestamp(6) WHERE {ChosenLetters}";

    internal override string ReadAside =>
        """
        SELECT (SELECT count(DISTINCT partition_key) FROM (SELECT partition_key FROM dead_letters WHERE side IN ('relay', 'consumer') AND state = 'blocking' LIMIT @limit) AS blocking),
            (SELECT count(*) FROM (SELECT 1 FROM dead_letters WHERE side IN ('relay', 'consumer') AND state IN ('dead', 'blocking') LIMIT @limit) AS letters),
            (SELECT count(*) FROM (SELECT 1 FROM outbox_scheduled LIMIT @limit) AS scheduled),
            (SELECT count(*) FROM ((SELECT 1 FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` < 0 LIMIT @limit)
                UNION ALL (SELECT 1 FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` >= @partitions LIMIT @limit)) AS stray),
            (SELECT count(*) FROM (SELECT 1 FROM deferred_messages LIMIT @limit) AS deferred)
        """;

    internal override string ReadRelayStatus => "SELECT status FROM relays WHERE expires_at > utc_timestamp(6) AND status IS NOT NULL";

    private const string Replayed = "published_at >= @from AND published_at < @to AND outcome = 'published' AND (@type IS NULL OR type = @type) AND (@key IS NULL OR partition_key = @key)";

    internal override string MeasureArchive => $"SELECT count(*), min(sequence), max(sequence) FROM outbox_archive WHERE sequence > @after AND {Replayed}";

    internal override string ReadArchive =>
        $"""
        SELECT sequence, CAST(message_id AS char(64)), partition_key, key_sequence, type, headers, content_type, body, created_at FROM outbox_archive FORCE INDEX (PRIMARY)
        WHERE sequence > @after AND sequence <= @last AND {Replayed} ORDER BY sequence, message_id LIMIT @limit
        """;
}
