namespace Outbox.Sql;

/// <summary>Messages that a consumer has deferred.</summary>
internal sealed partial class SqliteDialect
{
    private const string FirstOfKey = "(SELECT min(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key)";

    internal override string InsertInboxInOrder =>
        """
        INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation) ON CONFLICT DO NOTHING;
        SELECT changes(), EXISTS (SELECT 1 FROM deferred_messages WHERE consumer = @consumer AND partition_key = @key)
        """;

    internal override string DeleteManyInbox => "DELETE FROM inbox_messages WHERE consumer = @consumer AND message_id IN (SELECT upper(value) FROM json_each(@message_ids)) AND operation = @operation";

    internal override string FindDeferredKeys =>
        "SELECT wanted.value FROM json_each(@keys) AS wanted WHERE EXISTS (SELECT 1 FROM deferred_messages WHERE consumer = @consumer AND partition_key = wanted.value)";

    internal override string InsertDeferred(int messages) =>
        $"INSERT INTO deferred_messages ({InsertedColumns}, last_failed_at, next_attempt_at) VALUES {DeferredValues(messages, ", ")} ON CONFLICT (consumer, message_id) DO NOTHING";

    internal override string ListDeferred =>
        $"""
        SELECT d.id, {FirstOfKey}, (julianday(d.next_attempt_at) - julianday('now')) * 86400.0, {DeferredColumns}
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.id NOT IN (SELECT value FROM json_each(@busy))
        AND d.next_attempt_at <= coalesce((SELECT min(n.next_attempt_at) FROM deferred_messages AS n WHERE n.consumer = @consumer AND n.next_attempt_at > {Now}), '9999')
        ORDER BY d.next_attempt_at, d.id LIMIT @limit
        """;

    internal override string ReadDeferredOfKey => $"SELECT d.id, {FirstOfKey}, 0.0, {DeferredColumns} FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key ORDER BY d.id LIMIT @limit";

    // One writer at a time: what a transaction that may write sees is held.
    internal override string LockDeferred =>
        $"""
        SELECT d.id, d.attempts, {FirstOfKey}, (SELECT max(l.id) FROM deferred_messages AS l WHERE l.consumer = d.consumer AND l.partition_key = d.partition_key), d.state
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.id IN (SELECT value FROM json_each(@ids)) ORDER BY d.id
        """;

    internal override string DeleteDeferred => "DELETE FROM deferred_messages WHERE id IN (SELECT value FROM json_each(@ids))";

    internal override string PromoteDeferred =>
        $"""
        UPDATE deferred_messages SET next_attempt_at = {Now} WHERE ((next_attempt_at IS NULL AND state NOT IN ('dead', 'gap')) OR (next_attempt_at > {Now} AND state = 'behind'))
        AND id IN (SELECT (SELECT min(f.id) FROM deferred_messages AS f WHERE f.consumer = @consumer AND f.partition_key = freed.value) FROM json_each(@keys) AS freed)
        """;

    internal override string ParkDeferred => "UPDATE deferred_messages SET next_attempt_at = NULL WHERE id IN (SELECT value FROM json_each(@ids))";

    internal override string UnparkDeferred => $"UPDATE deferred_messages SET next_attempt_at = {Now} WHERE consumer = @consumer AND next_attempt_at IS NULL AND state = @state";

    private protected override string DeferAgainOf(string number) => $"UPDATE deferred_messages SET state = @state{number}, attempts = @attempts{number}, reason = @reason{number}, error = coalesce(@error{number}, error), last_failed_at = {Now}, next_attempt_at = {After("@wait" + number)} WHERE id = @id{number}";

    private protected override string After(string milliseconds) => $"strftime('%Y-%m-%d %H:%M:%f', 'now', '+' || ({milliseconds} / 1000.0) || ' seconds')";

    internal override string HoldDeadLetters => $"UPDATE dead_letters AS d SET attempts = attempts WHERE {ChosenLetters}";

    internal override string RecordDeadLetterActions =>
        $"""
        INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason, previous_body)
        SELECT d.id, d.side, d.consumer, d.message_id, @action, @actor, @reason, CASE WHEN @keeps_body = 1 THEN d.body END FROM dead_letters AS d WHERE {ChosenLetters}
        """;

    internal override string ReadConsumerLetters =>
        $"""
        SELECT d.id, d.consumer, {TextOfId("d.message_id")}, d.original_id, d.type, d.headers, d.content_type, d.body,
            (SELECT count(*) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.message_id = d.message_id AND f.state = 'dead')
        FROM dead_letters AS d WHERE {ChosenLetters} AND d.side = 'consumer' ORDER BY d.id
        """;

    internal override string DeleteConsumerLetters => $"DELETE FROM dead_letters AS d WHERE {ChosenLetters} AND d.side = 'consumer'";

    internal override string ListDeadLetterActions =>
        """
        SELECT acted_at, dead_letter_id, side, consumer, message_id, action, actor, reason, CASE WHEN previous_body IS NULL THEN 0 ELSE 1 END
        FROM dead_letter_actions WHERE side <> 'lock' AND dead_letter_id = coalesce(@id, dead_letter_id) ORDER BY id DESC LIMIT @limit
        """;
}
