namespace Outbox.Sql;

/// <summary>Messages that a consumer has deferred.</summary>
internal sealed partial class PostgreSqlDialect
{
    private const string FirstOfKey = "(SELECT min(f.id) FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key)";

    internal override string InsertInboxInOrder =>
        """
        WITH added AS (INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation) ON CONFLICT DO NOTHING RETURNING 1)
        SELECT (SELECT count(*) FROM added)::int, EXISTS (SELECT 1 FROM deferred_messages WHERE consumer = @consumer AND partition_key = @key)::int
        """;

    // Each by the whole key: with a list the planner may read all rows of the consumer, where the statistics know of few.
    internal override string DeleteManyInbox =>
        """
        DELETE FROM inbox_messages WHERE ctid = ANY(ARRAY(SELECT row.place FROM unnest(@message_ids::uuid[]) AS chosen (id)
            CROSS JOIN LATERAL (SELECT ctid AS place FROM inbox_messages WHERE consumer = @consumer AND message_id = chosen.id AND operation = @operation OFFSET 0) AS row))
        """;

    internal override string FindDeferredKeys =>
        """
        SELECT wanted.key FROM unnest(@keys::text[]) AS wanted (key)
        CROSS JOIN LATERAL (SELECT 1 FROM deferred_messages WHERE consumer = @consumer AND partition_key = wanted.key LIMIT 1) AS found
        """;

    internal override string InsertDeferred(int messages) =>
        $"INSERT INTO deferred_messages ({InsertedColumns}, last_failed_at, next_attempt_at) VALUES {DeferredValues(messages, ", ")} ON CONFLICT (consumer, message_id) DO NOTHING";

    internal override string? InsertDeferredTogether =>
        $"""
        INSERT INTO deferred_messages ({InsertedColumns}, last_failed_at, next_attempt_at)
        SELECT @consumer, m.message_id, m.partition_key, m.key_sequence, m.source, m.original_id, m.type, m.headers, m.content_type, m.body, m.state, m.attempts, m.reason, m.error,
            CASE WHEN m.attempts > 0 THEN clock_timestamp() END, {After("m.wait")}
        FROM unnest(@message_id::uuid[], @partition_key::text[], @key_sequence::bigint[], @source::text[], @original_id::text[], @type::text[], @headers::text[], @content_type::text[], @body::bytea[],
            @state::text[], @attempts::integer[], @reason::text[], @error::text[], @wait::bigint[]) WITH ORDINALITY
            AS m (message_id, partition_key, key_sequence, source, original_id, type, headers, content_type, body, state, attempts, reason, error, wait, number)
        ORDER BY m.number
        ON CONFLICT (consumer, message_id) DO NOTHING
        """;

    internal override string? DeferAgainTogether =>
        $"""
        UPDATE deferred_messages AS d SET state = m.state, attempts = m.attempts, reason = m.reason, error = coalesce(m.error, d.error), last_failed_at = clock_timestamp(), next_attempt_at = {After("m.wait")}
        FROM unnest(@id::bigint[], @state::text[], @attempts::integer[], @reason::text[], @error::text[], @wait::bigint[]) AS m (id, state, attempts, reason, error, wait)
        WHERE d.id = m.id AND d.id = ANY(@id::bigint[])
        """;

    internal override string ListDeferred =>
        $"""
        SELECT d.id, {FirstOfKey}, extract(epoch FROM d.next_attempt_at - clock_timestamp())::double precision, {DeferredColumns}
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.id <> ALL(@busy)
        AND d.next_attempt_at <= coalesce((
            SELECT n.next_attempt_at FROM deferred_messages AS n WHERE n.consumer = @consumer AND n.next_attempt_at > statement_timestamp() ORDER BY n.next_attempt_at, n.id LIMIT 1), 'infinity')
        ORDER BY d.next_attempt_at, d.id LIMIT @limit
        """;

    internal override string ReadDeferredOfKey =>
        $"""
        SELECT d.id, {FirstOfKey}, 0::double precision, {DeferredColumns}
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key ORDER BY d.id LIMIT @limit
        """;

    internal override string LockDeferred =>
        $"""
        SELECT d.id, d.attempts, {FirstOfKey}, (SELECT max(l.id) FROM deferred_messages AS l WHERE l.consumer = d.consumer AND l.partition_key = d.partition_key), d.state
        FROM deferred_messages AS d WHERE d.id = ANY(@ids) ORDER BY d.id FOR UPDATE OF d SKIP LOCKED
        """;

    internal override string DeleteDeferred => "DELETE FROM deferred_messages WHERE id = ANY(@ids)";

    internal override string PromoteDeferred =>
        """
        UPDATE deferred_messages SET next_attempt_at = clock_timestamp() WHERE ((next_attempt_at IS NULL AND state NOT IN ('dead', 'gap')) OR (next_attempt_at > clock_timestamp() AND state = 'behind'))
        AND id = ANY(ARRAY(SELECT (SELECT min(f.id) FROM deferred_messages AS f WHERE f.consumer = @consumer AND f.partition_key = freed.key) FROM unnest(@keys::text[]) AS freed (key)))
        """;

    internal override string ParkDeferred => "UPDATE deferred_messages SET next_attempt_at = NULL WHERE id = ANY(@ids)";

    internal override string UnparkDeferred => "UPDATE deferred_messages SET next_attempt_at = clock_timestamp() WHERE consumer = @consumer AND next_attempt_at IS NULL AND state = @state";

    // The driver sends it along with the next statement. The earlier one of that name stays, hidden, until the commit.
    internal override double SavepointCost => 0.3;

    internal override string? MoveSavepoint => null;

    // A row that the transaction holds and one of its savepoints changes is marked by a list of both, a multixact. No scan takes the index entries of such a dead version for dead,
    // so each look at what is due would go past all of them until the next vacuum. Hence all savepoints end before deferred rows are written.
    internal override string? FirstSavepoint => "before_handlers";

    private protected override string DeferAgainOf(string number) =>
        $"UPDATE deferred_messages SET state = @state{number}, attempts = @attempts{number}, reason = @reason{number}, error = coalesce(@error{number}, error), last_failed_at = clock_timestamp(), next_attempt_at = {After("@wait" + number)} WHERE id = @id{number}";

    private protected override string After(string milliseconds) => $"clock_timestamp() + {milliseconds} * interval '1 millisecond'";

    internal override object KeysParameter(IReadOnlyList<string> keys) => keys.ToArray();

    internal override string HoldDeadLetters => $"WITH held AS (SELECT 1 FROM dead_letters AS d WHERE {ChosenLetters} ORDER BY d.id FOR UPDATE) SELECT count(*) FROM held";

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
        SELECT acted_at, dead_letter_id, side, consumer, message_id::text, action, actor, reason, CASE WHEN previous_body IS NULL THEN 0 ELSE 1 END
        FROM dead_letter_actions WHERE side <> 'lock' AND dead_letter_id = coalesce(@id, dead_letter_id) ORDER BY id DESC LIMIT @limit
        """;
}
