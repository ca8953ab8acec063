namespace Outbox.Sql;

/// <summary>Messages that a consumer has deferred.</summary>
internal sealed partial class MySqlDialect
{
    private const string FirstOfKey = "(SELECT min(f.id) FROM deferred_messages f FORCE INDEX (ix_deferred_messages_key) WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key)";

    private const string ChosenRows = "JSON_TABLE(@ids, '$[*]' COLUMNS (id bigint PATH '$')) AS chosen STRAIGHT_JOIN deferred_messages d FORCE INDEX (PRIMARY) ON d.id = chosen.id";

    private const string WantedKeys = "JSON_TABLE(@keys, '$[*]' COLUMNS (name varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) AS wanted";

    internal override string InsertInboxInOrder =>
        """
        INSERT IGNORE INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation);
        SELECT row_count(), EXISTS (SELECT 1 FROM deferred_messages FORCE INDEX (ix_deferred_messages_key) WHERE consumer = @consumer AND partition_key = @key)
        """;

    internal override string DeleteManyInbox =>
        $"DELETE i FROM {Messages} STRAIGHT_JOIN inbox_messages i FORCE INDEX (PRIMARY) ON i.consumer = @consumer AND i.message_id = message.id AND i.operation = @operation";

    internal override string FindDeferredKeys =>
        $"SELECT wanted.name FROM {WantedKeys} WHERE EXISTS (SELECT 1 FROM deferred_messages d FORCE INDEX (ix_deferred_messages_key) WHERE d.consumer = @consumer AND d.partition_key = wanted.name)";

    // Not IGNORE: it would cut what is too long, and say nothing.
    internal override string InsertDeferred(int messages) =>
        $"INSERT INTO deferred_messages ({InsertedColumns}, last_failed_at, next_attempt_at) VALUES {DeferredValues(messages, ", ")} ON DUPLICATE KEY UPDATE attempts = deferred_messages.attempts";

    internal override string ListDeferred =>
        $"""
        SELECT d.id, {FirstOfKey}, timestampdiff(MICROSECOND, utc_timestamp(6), d.next_attempt_at) / 1e6, {DeferredColumns}
        FROM deferred_messages d FORCE INDEX (ix_deferred_messages_due) WHERE d.consumer = @consumer
        AND d.id NOT IN (SELECT busy.id FROM JSON_TABLE(@busy, '$[*]' COLUMNS (id bigint PATH '$')) AS busy)
        AND d.next_attempt_at <= coalesce((SELECT min(n.next_attempt_at) FROM deferred_messages n FORCE INDEX (ix_deferred_messages_due) WHERE n.consumer = @consumer AND n.next_attempt_at > utc_timestamp(6)), '9999-12-31')
        ORDER BY d.consumer, d.next_attempt_at, d.id LIMIT @limit
        """;

    internal override string ReadDeferredOfKey =>
        $"SELECT d.id, {FirstOfKey}, 0e0, {DeferredColumns} FROM deferred_messages d FORCE INDEX (ix_deferred_messages_key) WHERE d.consumer = @consumer AND d.partition_key = @key ORDER BY d.consumer, d.partition_key, d.id LIMIT @limit";

    internal override string LockDeferred =>
        $"""
        SELECT d.id, d.attempts, {FirstOfKey}, (SELECT max(l.id) FROM deferred_messages l FORCE INDEX (ix_deferred_messages_key) WHERE l.consumer = d.consumer AND l.partition_key = d.partition_key), d.state
        FROM {ChosenRows} WHERE d.consumer = @consumer ORDER BY d.id FOR UPDATE SKIP LOCKED
        """;

    internal override string DeleteDeferred => $"DELETE d FROM {ChosenRows}";

    internal override string PromoteDeferred =>
        $"""
        UPDATE (SELECT (SELECT min(f.id) FROM deferred_messages f FORCE INDEX (ix_deferred_messages_key) WHERE f.consumer = @consumer AND f.partition_key = wanted.name) AS id FROM {WantedKeys}) AS freed
        STRAIGHT_JOIN deferred_messages d FORCE INDEX (PRIMARY) ON d.id = freed.id
        SET d.next_attempt_at = utc_timestamp(6) WHERE (d.next_attempt_at IS NULL AND d.state NOT IN ('dead', 'gap')) OR (d.next_attempt_at > utc_timestamp(6) AND d.state = 'behind')
        """;

    internal override string ParkDeferred => $"UPDATE {ChosenRows} SET d.next_attempt_at = NULL";

    internal override string UnparkDeferred => "UPDATE deferred_messages SET next_attempt_at = utc_timestamp(6) WHERE consumer = @consumer AND next_attempt_at IS NULL AND state = @state";

    // A name that is set again takes the place of the first.
    internal override string? MoveSavepoint => $"SAVEPOINT {Savepoint}";

    private protected override string DeferAgainOf(string number) =>
        $"UPDATE deferred_messages SET state = @state{number}, attempts = @attempts{number}, reason = @reason{number}, error = coalesce(@error{number}, error), last_failed_at = utc_timestamp(6), next_attempt_at = {After("@wait" + number)} WHERE id = @id{number}";

    // The driver would make a Guid of the column or not, as the connection string says.
    private protected override string TextOfId(string column) => $"CAST({column} AS char(64))";

    private protected override string After(string milliseconds) => $"utc_timestamp(6) + INTERVAL {milliseconds} * 1000 MICROSECOND";

    internal override string HoldDeadLetters => $"UPDATE dead_letters d SET d.attempts = d.attempts WHERE {ChosenLetters}";

    internal override string RecordDeadLetterActions =>
        $"""
        INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason, previous_body)
        SELECT d.id, d.side, d.consumer, d.message_id, @action, @actor, @reason, CASE WHEN @keeps_body = 1 THEN d.body END FROM dead_letters d WHERE {ChosenLetters}
        """;

    internal override string ReadConsumerLetters =>
        $"""
        SELECT d.id, d.consumer, {TextOfId("d.message_id")}, d.original_id, d.type, d.headers, d.content_type, d.body,
            (SELECT count(*) FROM deferred_messages f WHERE f.consumer = d.consumer AND f.message_id = d.message_id AND f.state = 'dead')
        FROM dead_letters d WHERE {ChosenLetters} AND d.side = 'consumer' ORDER BY d.id
        """;

    internal override string DeleteConsumerLetters => $"DELETE d FROM dead_letters d WHERE {ChosenLetters} AND d.side = 'consumer'";

    internal override string ListDeadLetterActions =>
        """
        SELECT acted_at, dead_letter_id, side, consumer, CAST(message_id AS char(64)), action, actor, reason, CASE WHEN previous_body IS NULL THEN 0 ELSE 1 END
        FROM dead_letter_actions WHERE side <> 'lock' AND dead_letter_id = coalesce(@id, dead_letter_id) ORDER BY id DESC LIMIT @limit
        """;
}
