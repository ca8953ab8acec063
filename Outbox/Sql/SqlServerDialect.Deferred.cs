namespace Outbox.Sql;

/// <summary>Messages that a consumer has deferred.</summary>
/// <remarks>What looks for the first message of a key waits for whoever holds it: passing over a locked one would take a later one for the first.</remarks>
internal sealed partial class SqlServerDialect
{
    private const string FirstOfKey = "(SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key)";

    private const string Ids = "OPENJSON(@ids) WITH (id bigint '$') AS chosen INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.id = chosen.id";

    private const string WantedKeys = "OPENJSON(@keys) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$') AS wanted";

    internal override string InsertInboxInOrder =>
        """
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
        """;

    internal override string DeleteManyInbox =>
        """
        DELETE i FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
        INNER LOOP JOIN inbox_messages AS i WITH (ROWLOCK) ON i.consumer = @consumer AND i.message_id = message.id AND i.operation = @operation
        """;

    internal override string FindDeferredKeys =>
        $"SELECT wanted.name FROM {WantedKeys} WHERE EXISTS (SELECT 1 FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = wanted.name)";

    internal override string InsertDeferred(int messages) =>
        $"""
        INSERT INTO deferred_messages ({InsertedColumns}, last_failed_at, next_attempt_at)
        SELECT v.consumer, v.message_id, v.partition_key, v.key_sequence, v.source, v.original_id, v.type, v.headers, v.content_type, v.body, v.state, v.attempts, v.reason, v.error, v.last_failed_at, v.next_attempt_at
        FROM (VALUES {string.Join(", ", Enumerable.Range(0, messages).Select(i => FormattableString.Invariant($"({i}, {DeferredValues(i)[1..]}")))})
            AS v (place, {InsertedColumns}, last_failed_at, next_attempt_at)
        WHERE NOT EXISTS (SELECT 1 FROM deferred_messages AS d WITH (UPDLOCK, HOLDLOCK) WHERE d.consumer = v.consumer AND d.message_id = v.message_id)
        ORDER BY v.place
        """;

    internal override string ListDeferred =>
        $"""
        SELECT TOP (@limit) d.id, {FirstOfKey}, CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), d.next_attempt_at) AS float) / 1000, {DeferredColumns}
        FROM deferred_messages AS d WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE d.consumer = @consumer
        AND d.id NOT IN (SELECT busy.id FROM OPENJSON(@busy) WITH (id bigint '$') AS busy)
        AND d.next_attempt_at <= COALESCE((SELECT MIN(n.next_attempt_at) FROM deferred_messages AS n WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK) WHERE n.consumer = @consumer AND n.next_attempt_at > SYSUTCDATETIME()), '9999-12-31')
        ORDER BY d.consumer, d.next_attempt_at, d.id
        """;

    internal override string ReadDeferredOfKey =>
        $"""
        SELECT TOP (@limit) d.id, {FirstOfKey}, CAST(0 AS float), {DeferredColumns}
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key ORDER BY d.consumer, d.partition_key, d.id
        """;

    internal override string LockDeferred =>
        $"""
        SELECT d.id, d.attempts, {FirstOfKey}, (SELECT MAX(l.id) FROM deferred_messages AS l WHERE l.consumer = d.consumer AND l.partition_key = d.partition_key), d.state
        FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen INNER LOOP JOIN deferred_messages AS d WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) ON d.id = chosen.id
        WHERE d.consumer = @consumer ORDER BY d.id
        """;

    internal override string DeleteDeferred => $"DELETE d FROM {Ids}";

    internal override string PromoteDeferred =>
        $"""
        UPDATE d SET next_attempt_at = SYSUTCDATETIME()
        FROM (SELECT (SELECT MIN(f.id) FROM deferred_messages AS f WHERE f.consumer = @consumer AND f.partition_key = wanted.name) AS id FROM {WantedKeys}) AS freed
        INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.id = freed.id
        WHERE (d.next_attempt_at IS NULL AND d.state NOT IN (N'dead', N'gap')) OR (d.next_attempt_at > SYSUTCDATETIME() AND d.state = N'behind')
        """;

    internal override string ParkDeferred => $"UPDATE d SET next_attempt_at = NULL FROM {Ids}";

    internal override string UnparkDeferred => "UPDATE deferred_messages SET next_attempt_at = SYSUTCDATETIME() WHERE consumer = @consumer AND next_attempt_at IS NULL AND state = @state";

    // Not said in its documentation.
    internal override bool KeepsSavepoints => false;

    // A name that is set again takes the place of the first.
    internal override string? MoveSavepoint => $"SAVE TRANSACTION {Savepoint}";

    private protected override string DeferAgainOf(string number) =>
        $"UPDATE deferred_messages SET state = @state{number}, attempts = @attempts{number}, reason = @reason{number}, error = coalesce(@error{number}, error), last_failed_at = SYSUTCDATETIME(), next_attempt_at = {After("@wait" + number)} WHERE id = @id{number}";

    private protected override string After(string milliseconds) => $"DATEADD(millisecond, CAST({milliseconds} AS int), SYSUTCDATETIME())";

    internal override string HoldDeadLetters => $"UPDATE d SET attempts = d.attempts FROM dead_letters AS d WITH (UPDLOCK, ROWLOCK) WHERE {ChosenLetters}";

    internal override string RecordDeadLetterActions =>
        $"""
        INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason, previous_body)
        SELECT d.id, d.side, d.consumer, d.message_id, @action, @actor, @reason, CASE WHEN @keeps_body = 1 THEN d.body END FROM dead_letters AS d WHERE {ChosenLetters}
        """;

    internal override string ReadConsumerLetters =>
        $"""
        SELECT d.id, d.consumer, {TextOfId("d.message_id")}, d.original_id, d.type, d.headers, d.content_type, d.body,
            (SELECT count(*) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.message_id = d.message_id AND f.state = N'dead')
        FROM dead_letters AS d WHERE {ChosenLetters} AND d.side = N'consumer' ORDER BY d.id
        """;

    internal override string DeleteConsumerLetters => $"DELETE d FROM dead_letters AS d WHERE {ChosenLetters} AND d.side = N'consumer'";

    internal override string ListDeadLetterActions =>
        """
        SELECT TOP (@limit) acted_at, dead_letter_id, side, consumer, CAST(message_id AS nvarchar(36)), action, actor, reason, CASE WHEN previous_body IS NULL THEN 0 ELSE 1 END
        FROM dead_letter_actions WHERE side <> 'lock' AND dead_letter_id = coalesce(@id, dead_letter_id) ORDER BY id DESC
        """;
}
