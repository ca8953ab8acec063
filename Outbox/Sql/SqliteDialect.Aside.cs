namespace Outbox.Sql;

/// <summary>Rows beside the straight way: scheduled, dead, archived.</summary>
internal sealed partial class SqliteDialect
{
    private const string Row = "message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at";

    private const string IfHeld = "EXISTS (SELECT 1 FROM leases WHERE name = @lease AND token = @token)";

    internal override IReadOnlyList<string> ScheduleMessages =>
    [
        $"""
        INSERT INTO outbox_scheduled (sequence, {Row}) SELECT sequence, {Row} FROM outbox_messages
        WHERE sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition AND {IfHeld} ORDER BY sequence
        """,
        SettleMessages,
    ];

    internal override string ListScheduled =>
        "SELECT id, (julianday(not_before) - julianday('now')) * 86400.0 FROM outbox_scheduled WHERE partition = @partition ORDER BY not_before, id LIMIT @limit";

    internal override IReadOnlyList<string> ReturnMessages =>
    [
        $"""
        INSERT INTO outbox_messages ({Row}) SELECT {Row} FROM outbox_scheduled
        WHERE id IN (SELECT value FROM json_each(@sequences)) AND partition = @partition AND {IfHeld} ORDER BY not_before, id
        """,
        $"DELETE FROM outbox_scheduled WHERE id IN (SELECT value FROM json_each(@sequences)) AND partition = @partition AND {IfHeld}",
    ];

    internal override IReadOnlyList<string> DeadLetterMessages =>
    [
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, attempts, first_failed_at, state, sequence, partition, key_sequence, created_at, expires_at)
        SELECT 'relay', CAST(m.sequence AS TEXT), @source, m.message_id, m.message_id, m.type, m.partition_key, m.headers, m.content_type, m.body, json_extract(letter.value, '$.reason'), json_extract(letter.value, '$.attempts'),
            strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || json_extract(letter.value, '$.age') || ' seconds'), json_extract(letter.value, '$.state'), m.sequence, m.partition, m.key_sequence, m.created_at, m.expires_at
        FROM json_each(@letters) AS letter JOIN outbox_messages AS m ON m.sequence = json_extract(letter.value, '$.sequence') AND m.partition = @partition
        WHERE {IfHeld} ORDER BY m.sequence
        ON CONFLICT (side, consumer, message_id) DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, last_failed_at = excluded.last_failed_at, state = excluded.state
        """,
        SettleMessages,
    ];

    internal override string ReadBlocking =>
        """
        SELECT partition_key, sequence, type, reason, (julianday('now') - julianday(first_failed_at)) * 86400.0
        FROM dead_letters WHERE side = 'relay' AND state = 'blocking' AND partition = @partition AND partition_key IS NOT NULL
        """;

    private const string ChosenLetters = "d.id IN (SELECT value FROM json_each(@ids)) AND d.state IN ('dead', 'blocking')";

    private const string Chosen = $"{ChosenLetters} AND d.side = 'relay'";

    internal override IReadOnlyList<string> RedriveDeadLetters =>
    [
        $"""
        INSERT INTO outbox_messages (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.sequence, d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d
        WHERE {Chosen} AND d.state = 'blocking' AND NOT EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.sequence = d.sequence)
        """,
        $"""
        DELETE FROM dead_letters AS d WHERE {Chosen} AND d.state = 'blocking'
        AND EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.partition = d.partition AND m.sequence = d.sequence AND m.message_id = d.message_id)
        """,
        $"""
        INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d WHERE {Chosen} ORDER BY d.sequence
        """,
        $"DELETE FROM dead_letters AS d WHERE {Chosen}",
    ];

    internal override string DiscardDeadLetters => $"UPDATE dead_letters AS d SET state = 'discarded', error = @note, last_failed_at = {Now} WHERE {ChosenLetters}";

    internal override string ReadAside =>
        """
        SELECT (SELECT count(DISTINCT partition_key) FROM (SELECT partition_key FROM dead_letters WHERE side IN ('relay', 'consumer') AND state = 'blocking' LIMIT @limit)),
            (SELECT count(*) FROM (SELECT 1 FROM dead_letters WHERE side IN ('relay', 'consumer') AND state IN ('dead', 'blocking') LIMIT @limit)),
            (SELECT count(*) FROM (SELECT 1 FROM outbox_scheduled LIMIT @limit)),
            (SELECT count(*) FROM (SELECT 1 FROM outbox_messages WHERE partition < 0 OR partition >= @partitions LIMIT @limit)),
            (SELECT count(*) FROM (SELECT 1 FROM deferred_messages LIMIT @limit))
        """;

    internal override string ReadRelayStatus => $"SELECT status FROM relays WHERE expires_at > {Now} AND status IS NOT NULL";

    private const string Replayed = "published_at >= @from AND published_at < @to AND outcome = 'published' AND (@type IS NULL OR type = @type) AND (@key IS NULL OR partition_key = @key)";

    internal override string MeasureArchive => $"SELECT count(*), min(sequence), max(sequence) FROM outbox_archive WHERE sequence > @after AND {Replayed}";

    internal override string ReadArchive =>
        $"""
        SELECT sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at FROM outbox_archive
        WHERE sequence > @after AND sequence <= @last AND {Replayed} ORDER BY sequence, message_id LIMIT @limit
        """;
}
