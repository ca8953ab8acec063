namespace Outbox.Sql;

/// <summary>Rows beside the straight way: scheduled, dead, archived.</summary>
internal sealed partial class SqlServerDialect
{
    private const string Row = "message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at";

    internal override IReadOnlyList<string> ScheduleMessages =>
    [
        $"""
        DELETE m
        OUTPUT deleted.sequence, deleted.message_id, deleted.partition, deleted.partition_key, deleted.key_sequence, deleted.type, deleted.headers, deleted.content_type, deleted.body, deleted.created_at, deleted.not_before, deleted.expires_at
        INTO outbox_scheduled (sequence, {Row})
        {Settled} WHERE {IfHeld}
        """,
    ];

    internal override string ListScheduled =>
        """
        SELECT TOP (@limit) s.id, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), s.not_before) AS float) / 1000
        FROM outbox_scheduled AS s WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE s.partition = @partition ORDER BY s.partition, s.not_before, s.id
        """;

    private const string Due = "FROM OPENJSON(@sequences) WITH (id bigint '$') AS due INNER LOOP JOIN outbox_scheduled AS m WITH (ROWLOCK) ON m.id = due.id AND m.partition = @partition";

    internal override IReadOnlyList<string> ReturnMessages =>
    [
        $"""
        INSERT INTO outbox_messages ({Row})
        SELECT m.message_id, m.partition, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at, m.not_before, m.expires_at
        {Due} WHERE {IfHeld} ORDER BY m.not_before, m.id
        """,
        $"DELETE m {Due} WHERE {IfHeld}",
    ];

    private const string Letters =
        """
        OPENJSON(@letters) WITH (sequence bigint '$.sequence', attempts int '$.attempts', reason nvarchar(max) '$.reason', age float '$.age', state nvarchar(20) '$.state') AS letter
        INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = letter.sequence
        """;

    // A row that was there before, in a database that was restored, is written anew.
    internal override IReadOnlyList<string> DeadLetterMessages =>
    [
        $"""
        DELETE d FROM {Letters}
        INNER JOIN dead_letters AS d ON d.side = N'relay' AND d.consumer = CAST(m.sequence AS nvarchar(20)) AND d.message_id = m.message_id
        WHERE {IfHeld}
        """,
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, attempts, first_failed_at, state, sequence, partition, key_sequence, created_at, expires_at)
        SELECT N'relay', CAST(m.sequence AS nvarchar(20)), @source, m.message_id, CAST(m.message_id AS nvarchar(36)), m.type, m.partition_key, m.headers, m.content_type, m.body, letter.reason, letter.attempts,
            DATEADD(second, -CAST(letter.age AS int), SYSUTCDATETIME()), letter.state, m.sequence, m.partition, m.key_sequence, m.created_at, m.expires_at
        FROM {Letters}
        WHERE {IfHeld} ORDER BY m.sequence
        """,
        SettleMessages,
    ];

    internal override string ReadBlocking =>
        """
        SELECT partition_key, sequence, type, reason, CAST(DATEDIFF_BIG(millisecond, first_failed_at, SYSUTCDATETIME()) AS float) / 1000
        FROM dead_letters WHERE side = N'relay' AND state = N'blocking' AND partition = @partition AND partition_key IS NOT NULL
        """;

    private const string ChosenLetters = "d.id IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen) AND d.state IN (N'dead', N'blocking')";

    private const string Chosen = $"{ChosenLetters} AND d.side = N'relay'";

    internal override IReadOnlyList<string> RedriveDeadLetters =>
    [
        $"""
        SET IDENTITY_INSERT outbox_messages ON;
        INSERT INTO outbox_messages (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.sequence, d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d
        WHERE {Chosen} AND d.state = N'blocking' AND NOT EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.partition = d.partition AND m.sequence = d.sequence);
        SET IDENTITY_INSERT outbox_messages OFF;
        """,
        $"""
        DELETE d FROM dead_letters AS d WHERE {Chosen} AND d.state = N'blocking'
        AND EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.partition = d.partition AND m.sequence = d.sequence AND m.message_id = d.message_id)
        """,
        $"""
        INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, expires_at)
        SELECT d.message_id, d.partition, d.partition_key, d.key_sequence, d.type, d.headers, d.content_type, d.body, d.created_at, d.expires_at FROM dead_letters AS d WHERE {Chosen} ORDER BY d.sequence
        """,
        $"DELETE d FROM dead_letters AS d WHERE {Chosen}",
    ];

    internal override string DiscardDeadLetters => $"{Plain} UPDATE d SET state = N'discarded', error = @note, last_failed_at = SYSUTCDATETIME() FROM dead_letters AS d WHERE {ChosenLetters}";

    internal override string ReadAside =>
        """
        SELECT (SELECT COUNT_BIG(DISTINCT partition_key) FROM (SELECT TOP (@limit) partition_key FROM dead_letters WITH (NOLOCK) WHERE side IN (N'relay', N'consumer') AND state = N'blocking') AS blocking),
            (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM dead_letters WITH (NOLOCK) WHERE side IN (N'relay', N'consumer') AND state IN (N'dead', N'blocking')) AS letters),
            (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_scheduled WITH (NOLOCK)) AS scheduled),
            (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition < 0
                UNION ALL SELECT TOP (@limit) 1 FROM outbox_messages WITH (NOLOCK) WHERE partition >= CAST(@partitions AS smallint)) AS stray),
            (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM deferred_messages WITH (NOLOCK)) AS deferred)
        """;

    internal override string ReadRelayStatus => "SELECT status FROM relays WITH (NOLOCK) WHERE expires_at > SYSUTCDATETIME() AND status IS NOT NULL";

    private const string Replayed = "published_at >= @from AND published_at < @to AND outcome = N'published' AND (@type IS NULL OR type = @type) AND (@key IS NULL OR partition_key = @key)";

    internal override string MeasureArchive => $"SELECT COUNT_BIG(*), MIN(sequence), MAX(sequence) FROM outbox_archive WHERE sequence > @after AND {Replayed}";

    internal override string ReadArchive =>
        $"""
        SELECT TOP (@limit) sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at FROM outbox_archive
        WHERE sequence > @after AND sequence <= @last AND {Replayed} ORDER BY sequence, message_id
        """;
}
