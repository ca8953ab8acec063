namespace Outbox.Sql;

/// <summary>A consumer's progress in the numbers of keys, and what its processes say of themselves.</summary>
internal sealed partial class SqliteDialect
{
    private const string ConsumerTables =
        $"""
        CREATE TABLE IF NOT EXISTS inbox_keys (
            consumer TEXT NOT NULL,
            source TEXT NOT NULL,
            partition_key TEXT NOT NULL,
            last_sequence INTEGER NOT NULL,
            skipped TEXT NULL,
            CONSTRAINT pk_inbox_keys PRIMARY KEY (consumer, source, partition_key)
        );

        CREATE TABLE IF NOT EXISTS consumer_status (
            consumer TEXT NOT NULL,
            owner TEXT NOT NULL,
            started_at TEXT NOT NULL DEFAULT ({Now}),
            expires_at TEXT NOT NULL,
            status TEXT NULL,
            CONSTRAINT pk_consumer_status PRIMARY KEY (consumer, owner)
        );
        """;

    private const string Numbers = "(SELECT value ->> 0 AS name, value ->> 1 AS number FROM json_each(@numbers)) AS wanted";

    // One writer at a time: what a transaction that may write sees is held.
    internal override string LockInboxKeys =>
        "SELECT partition_key, last_sequence, skipped FROM inbox_keys WHERE consumer = @consumer AND source = @source AND partition_key IN (SELECT value FROM json_each(@keys)) ORDER BY partition_key";

    internal override string AddInboxKeys =>
        $"INSERT INTO inbox_keys (consumer, source, partition_key, last_sequence) SELECT @consumer, @source, wanted.name, wanted.number FROM {Numbers} WHERE true ON CONFLICT DO NOTHING";

    internal override string MoveInboxKeys =>
        $"UPDATE inbox_keys SET last_sequence = wanted.number FROM {Numbers} WHERE consumer = @consumer AND source = @source AND partition_key = wanted.name";

    internal override string PromoteNumbers =>
        $"""
        UPDATE deferred_messages SET next_attempt_at = {Now} FROM {Numbers}
        WHERE consumer = @consumer AND partition_key = wanted.name AND key_sequence <= wanted.number AND (state = 'gap' OR (state = 'failed' AND attempts = 0))
        """;

    internal override string ReadNumbersOfKey =>
        $"SELECT d.id, {FirstOfKey}, 0.0, {DeferredColumns} FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key AND d.key_sequence > @after ORDER BY d.key_sequence, d.id LIMIT @limit";

    internal override string ListGaps => GapsOf($"-{SecondsUntil("w.since")}") + " LIMIT @limit";

    internal override string WriteConsumerStatus =>
        $"""
        INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES (@consumer, @owner, {Expiry}, @status)
        ON CONFLICT (consumer, owner) DO UPDATE SET expires_at = excluded.expires_at, status = excluded.status
        """;
}
