namespace Outbox.Sql;

/// <summary>Rows beside the straight way: scheduled, dead, archived.</summary>
internal sealed partial class PostgreSqlDialect
{
    private const string Row = "message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at";

    private const string Held = "WITH held AS (SELECT 1 FROM leases WHERE name = @lease AND token = @token FOR KEY SHARE)";

    internal override IReadOnlyList<string> ScheduleMessages =>
    [
        $"""
        {Held},
        gone AS (DELETE FROM outbox_messages AS m USING held WHERE m.ctid = ANY({Places}) RETURNING m.*)
        INSERT INTO outbox_scheduled (sequence, {Row}) SELECT sequence, {Row} FROM gone ORDER BY sequence
        """,
    ];

    internal override string ListScheduled =>
        """
        SELECT id, extract(epoch FROM least(not_before, clock_timestamp() + interval '10000 days') - clock_timestamp())::double precision
        FROM outbox_scheduled WHERE partition = @partition ORDER BY not_before, id LIMIT @limit
        """;

    internal override IReadOnlyList<string> ReturnMessages =>
    [
        $"""
        {Held},
        gone AS (DELETE FROM outbox_scheduled AS s USING held WHERE s.ctid = ANY(ARRAY(SELECT row.place FROM unnest(@sequences::bigint[]) AS due (number)
            CROSS JOIN LATERAL (SELECT ctid AS place FROM outbox_scheduled WHERE id = number AND partition = @partition OFFSET 0) AS row)) RETURNING s.*)
        INSERT INTO outbox_messages ({Row}) SELECT {Row} FROM gone ORDER BY not_before, id
        """,
    ];

    internal override IReadOnlyList<string> DeadLetterMessages =>
    [
        $"""
        {Held},
        gone AS (DELETE FROM outbox_messages AS m USING held WHERE m.ctid = ANY({Places}) RETURNING m.*)
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, attempts, first_failed_at, state, sequence, partition, key_sequence, created_at, expires_at)
        SELECT 'relay', gone.sequence::text, @source, gone.message_id, gone.message_id::text, gone.type, gone.partition_key, gone.headers, gone.content_type, gone.body, letter.reason, letter.attempts,
            clock_timestamp() - letter.age * interval '1 second', letter.state, gone.sequence, gone.partition, gone.key_sequence, gone.created_at, gone.expires_at
        FROM gone JOIN json_to_recordset(@letters::json) AS letter (sequence bigint, attempts integer, reason text, age double precision, state text) ON letter.sequence = gone.sequence ORDER BY gone.sequence
        ON CONFLICT (side, consumer, message_id) DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, last_failed_at = clock_timestamp(), state = excluded.state
        """,
    ];

    internal override string ReadBlocking =>
        """
        SELECT partition_key, sequence, type, reason, extract(epoch FROM clock_timestamp() - first_failed_at)::double precision
        FROM dead_letters WHERE side = 'relay' AND state = 'blocking' AND partition = @partition AND partition_key IS NOT NULL
        """;

    private const string ChosenLetters = "d.id = ANY(@ids) AND d.state IN ('dead', 'blocking')";

    private const string Chosen = $"{ChosenLetters} AND d.side = 'relay'";

    internal override IReadOnlyList<string> RedriveDeadLetters =>
    [
        $"""
        INSERT INTO outbox_messages (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.sequence, d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d
        WHERE {Chosen} AND d.state = 'blocking' AND NOT EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.partition = d.partition AND m.sequence = d.sequence)
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

    internal override string DiscardDeadLetters => $"UPDATE dead_letters AS d SET state = 'discarded', error = @note, last_failed_at = clock_timestamp() WHERE {ChosenLetters}";

    internal override string ReadAside =>
        """
        SELECT (SELECT count(DISTINCT partition_key) FROM (SELECT partition_key FROM dead_letters WHERE side IN ('relay', 'consumer') AND state = 'blocking' LIMIT @limit) AS blocking),
            (SELECT count(*) FROM (SELECT 1 FROM dead_letters WHERE side IN ('relay', 'consumer') AND state IN ('dead', 'blocking') LIMIT @limit) AS letters),
            (SELECT count(*) FROM (SELECT 1 FROM outbox_scheduled LIMIT @limit) AS scheduled),
            (SELECT count(*) FROM ((SELECT 1 FROM outbox_messages WHERE partition < 0 LIMIT @limit) UNION ALL (SELECT 1 FROM outbox_messages WHERE partition >= @partitions LIMIT @limit)) AS stray),
            (SELECT count(*) FROM (SELECT 1 FROM deferred_messages LIMIT @limit) AS deferred)
        """;

    internal override string ReadRelayStatus => "SELECT status FROM relays WHERE expires_at > clock_timestamp() AND status IS NOT NULL";

    private const string Replayed = "published_at >= @from AND published_at < @to AND outcome = 'published' AND (@type IS NULL OR type = @type) AND (@key IS NULL OR partition_key = @key)";

    internal override string MeasureArchive => $"SELECT count(*), min(sequence), max(sequence) FROM outbox_archive WHERE sequence > @after AND {Replayed}";

    internal override string ReadArchive =>
        $"""
        SELECT sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at FROM outbox_archive
        WHERE sequence > @after AND sequence <= @last AND {Replayed} ORDER BY sequence, message_id LIMIT @limit
        """;
}
