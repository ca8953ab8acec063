namespace Outbox.Sql;

/// <summary>A consumer's progress in the numbers of keys, and what its processes say of themselves.</summary>
internal sealed partial class PostgreSqlDialect
{
    private const string ConsumerTables =
        """
        CREATE TABLE IF NOT EXISTS inbox_keys (
            consumer character varying(100) NOT NULL,
            source character varying(100) NOT NULL,
            partition_key character varying(200) NOT NULL,
            last_sequence bigint NOT NULL,
            skipped text,
            CONSTRAINT pk_inbox_keys PRIMARY KEY (consumer, source, partition_key)
        );

        CREATE TABLE IF NOT EXISTS consumer_status (
            consumer character varying(100) NOT NULL,
            owner character varying(200) NOT NULL,
            started_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            expires_at timestamp with time zone NOT NULL,
            status text,
            CONSTRAINT pk_consumer_status PRIMARY KEY (consumer, owner)
        );
        """;

    private const string Numbers = "(SELECT e ->> 0 AS key, (e ->> 1)::bigint AS number FROM jsonb_array_elements(@numbers::jsonb) AS e) AS wanted";

    internal override string LockInboxKeys =>
        """
        SELECT k.partition_key, k.last_sequence, k.skipped FROM inbox_keys AS k
        WHERE k.consumer = @consumer AND k.source = @source AND k.partition_key = ANY(@keys) ORDER BY k.partition_key FOR UPDATE
        """;

    internal override string AddInboxKeys =>
        $"INSERT INTO inbox_keys (consumer, source, partition_key, last_sequence) SELECT @consumer, @source, wanted.key, wanted.number FROM {Numbers} ORDER BY wanted.key ON CONFLICT DO NOTHING";

    internal override string MoveInboxKeys =>
        $"UPDATE inbox_keys AS k SET last_sequence = wanted.number FROM {Numbers} WHERE k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.key";

    internal override string PromoteNumbers =>
        $"""
        UPDATE deferred_messages AS d SET next_attempt_at = clock_timestamp() FROM {Numbers}
        WHERE d.consumer = @consumer AND d.partition_key = wanted.key AND d.key_sequence <= wanted.number AND (d.state = 'gap' OR (d.state = 'failed' AND d.attempts = 0))
        """;

    internal override string ReadNumbersOfKey =>
        $"""
        SELECT d.id, {FirstOfKey}, 0::double precision, {DeferredColumns}
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key AND d.key_sequence > @after ORDER BY d.key_sequence, d.id LIMIT @limit
        """;

    internal override string ListGaps => GapsOf($"-{SecondsUntil("w.since")}") + " LIMIT @limit";

    internal override string WriteConsumerStatus =>
        $"""
        INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES (@consumer, @owner, {Expiry}, @status)
        ON CONFLICT (consumer, owner) DO UPDATE SET expires_at = excluded.expires_at, status = excluded.status
        """;
}
