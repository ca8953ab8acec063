using System.Data;
using System.Data.Common;

namespace Outbox.Sql;

/// <remarks>
/// Reading hints both ways: with READ_COMMITTED_SNAPSHOT off a plain read would wait for every open writer, with it on READPAST needs READCOMMITTEDLOCK.
/// A row that READPAST passes over because somebody holds a lock on it is a hole like one that is not committed, and is looked for until it shows.
/// </remarks>
internal sealed partial class SqlServerDialect : SqlDialect
{
    public override string Name => "SqlServer";

    internal override string Driver => "Microsoft.Data.SqlClient.Sql";

    // One size for all texts and bodies, so that there is one plan for each statement; datetime2, because datetime rounds to 3 ms and begins in 1753.
    internal override void Refine(DbParameter parameter)
    {
        switch (parameter.Value, parameter.DbType)
        {
            case (string text, _):
                parameter.DbType = DbType.String;
                parameter.Size = text.Length <= 4_000 ? 4_000 : -1;
                break;
            case (byte[], _):
                parameter.DbType = DbType.Binary;
                parameter.Size = -1;
                break;
            case (DateTime, _) or (_, DbType.DateTime):
                parameter.DbType = DbType.DateTime2;
                break;
        }
    }

    internal override LateRows LateRows => LateRows.WhileUncommitted;

    // Not the session's level: a pooled connection keeps what a TransactionScope has left on it, and consumers under SERIALIZABLE would lock each other's gaps.
    internal override IsolationLevel ConsumerIsolation => IsolationLevel.ReadCommitted;

    // Whatever a server's "user options", a TransactionScope or the service has left on a pooled connection: without counts a renewed lease would look lost,
    // and with implicit transactions nothing would be committed. It lasts as long as the command: sp_executesql puts settings back.
    private const string Plain = "SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";

    // A pooled connection may have kept SERIALIZABLE from a TransactionScope, under which READPAST fails. In a deadlock the relay gives way to the service.
    // A short wait for locks: a delete that waits holds the guard on its lease, and so would hold up the lease's own renewal.
    internal override string PrepareRelayConnection => $"{Plain} SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1000;";

    private const string Columns =
        """
        m.sequence, m.message_id, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at,
        CASE WHEN m.not_before > SYSUTCDATETIME() THEN CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), m.not_before) AS float) / 1000 END,
        CASE WHEN m.expires_at <= SYSUTCDATETIME() THEN 1 ELSE 0 END
        """;

    private const string Committed = "WITH (READPAST, ROWLOCK, READCOMMITTEDLOCK)";

    internal override string ReadMessages =>
        $"""
        SELECT TOP (@limit) {Columns}
        FROM outbox_messages AS m {Committed} WHERE m.partition = @partition AND m.sequence > @after ORDER BY m.partition, m.sequence
        """;

    internal override string FetchMessages =>
        $"""
        SELECT {Columns}
        FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS wanted INNER LOOP JOIN outbox_messages AS m {Committed} ON m.partition = @partition AND m.sequence = wanted.sequence
        ORDER BY m.sequence
        """;

    internal override string ListSequences(IReadOnlyList<(long First, long Last)> spans) => List(Committed);

    internal override string? ListUncommitted(IReadOnlyList<(long First, long Last)> spans) => List("WITH (NOLOCK)");

    private static string List(string hint) =>
        $"""
        SELECT TOP (@limit) m.sequence
        FROM OPENJSON(@spans) WITH (low bigint '$[0]', high bigint '$[1]') AS span INNER LOOP JOIN outbox_messages AS m {hint} ON m.partition = @partition AND m.sequence BETWEEN span.low AND span.high
        ORDER BY m.sequence
        """;

    // REPEATABLEREAD keeps the lock on the lease's row until the delete has committed.
    private const string IfHeld = "EXISTS (SELECT 1 FROM leases WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @lease AND token = @token)";

    private const string Settled = "FROM OPENJSON(@sequences) WITH (sequence bigint '$') AS settled INNER LOOP JOIN outbox_messages AS m WITH (ROWLOCK) ON m.partition = @partition AND m.sequence = settled.sequence";

    internal override string SettleMessages => $"DELETE m {Settled} WHERE {IfHeld}";

    internal override IReadOnlyList<string> ArchiveMessages =>
    [
        $"""
        DELETE m
        OUTPUT deleted.sequence, deleted.message_id, deleted.partition, deleted.partition_key, deleted.key_sequence, deleted.type, deleted.headers, deleted.content_type, deleted.body, deleted.created_at, deleted.not_before, deleted.expires_at, @outcome
        INTO outbox_archive (sequence, message_id, partition, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, outcome)
        {Settled} WHERE {IfHeld}
        """,
    ];

    private const string Age = "DATEADD(second, -CAST(@seconds AS int), SYSUTCDATETIME())";

    // DELETE TOP takes any rows. Found by the index on the time and then deleted by their keys, the oldest go first, and nothing is looked at that a writer holds.
    internal override string DeleteOldArchive =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.published_at
        FROM (SELECT TOP (@limit) sequence, message_id FROM outbox_archive WHERE published_at >= @from AND {IsOlder("published_at")} ORDER BY published_at) AS old
        INNER LOOP JOIN outbox_archive AS m WITH (ROWLOCK) ON m.sequence = old.sequence AND m.message_id = old.message_id
        """;

    internal override string? ReadLastSequence => null;

    internal override string? ListWriters => null;


    private protected override string Expiry => "DATEADD(millisecond, CAST(@milliseconds AS int), SYSUTCDATETIME())";

    private protected override string SecondsUntil(string time) => $"CAST(DATEDIFF_BIG(millisecond, SYSUTCDATETIME(), {time}) AS float) / 1000";

    private protected override string FirstRow(int i) => FormattableString.Invariant($"SELECT TOP (1) m.partition AS number FROM outbox_messages AS m {Committed} WHERE m.partition = @p{i} AND m.sequence > @f{i} ORDER BY m.partition, m.sequence");

    private protected override string Heartbeat =>
        $"""
        {Plain}
        UPDATE relays WITH (ROWLOCK) SET expires_at = {Expiry}, status = @status WHERE owner = @owner;
        IF @@ROWCOUNT = 0 INSERT INTO relays (owner, expires_at, status) VALUES (@owner, {Expiry}, @status)
        """;

    internal override string AcquireLease =>
        $"""
        {Plain}
        SET NOCOUNT ON;
        SET XACT_ABORT ON;
        DECLARE @taken TABLE (token bigint NOT NULL);
        BEGIN TRANSACTION;
        UPDATE leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET owner = @owner, token = token + 1, expires_at = {Expiry}, acquired_at = SYSUTCDATETIME()
        OUTPUT inserted.token INTO @taken (token)
        WHERE name = @name AND expires_at <= SYSUTCDATETIME();
        IF @@ROWCOUNT = 0
            INSERT INTO leases (name, owner, token, expires_at, acquired_at)
            OUTPUT inserted.token INTO @taken (token)
            SELECT @name, @owner, 1, {Expiry}, SYSUTCDATETIME() WHERE NOT EXISTS (SELECT 1 FROM leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
        COMMIT TRANSACTION;
        SELECT token FROM @taken;
        """;

    internal override string RenewLease => $"{Plain} UPDATE leases WITH (ROWLOCK) SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    internal override string ReleaseLease => $"{Plain} UPDATE leases WITH (ROWLOCK) SET expires_at = {Ended} WHERE name = @name AND token = @token";

    // A plain insert waits for another copy's transaction and then fails; a check beforehand with range locks would make consumers wait for each other's handlers.
    // With XACT_ABORT off a duplicate ends the statement and leaves the transaction as it was. G4: the row count tells "new" from "known",
    // so it must be there; without it every message would pass for a duplicate and be accepted unhandled.
    internal override string InsertInbox =>
        """
        SET NOCOUNT OFF;
        SET XACT_ABORT OFF;
        BEGIN TRY
            INSERT INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation);
        END TRY
        BEGIN CATCH
            IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
        END CATCH;
        """;

    internal override string InsertManyInbox =>
        """
        SET XACT_ABORT OFF;
        INSERT INTO inbox_messages (consumer, message_id, operation)
        OUTPUT inserted.message_id
        SELECT @consumer, message.id, @operation FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
        WHERE NOT EXISTS (SELECT 1 FROM inbox_messages AS i WHERE i.consumer = @consumer AND i.message_id = message.id AND i.operation = @operation);
        """;

    internal override string DeleteOldInbox => DeleteOldInboxOf("operation = N''");

    private string DeleteOldInboxOf(string operation) =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.received_at
        FROM (SELECT TOP (@limit) consumer, message_id, operation FROM inbox_messages WITH (INDEX (ix_inbox_messages_received_at)) WHERE consumer = @consumer AND {operation} AND received_at >= @from AND {IsOlder("received_at")} ORDER BY received_at) AS old
        INNER LOOP JOIN inbox_messages AS m WITH (ROWLOCK) ON m.consumer = old.consumer AND m.message_id = old.message_id AND m.operation = old.operation
        """;

    internal override string InsertDeadLetter =>
        $"""
        {Plain}
        SET XACT_ABORT ON;
        BEGIN TRANSACTION;
        UPDATE dead_letters WITH (UPDLOCK, HOLDLOCK) SET reason = @reason, error = @error, attempts = attempts + @attempts, last_failed_at = SYSUTCDATETIME(), state = @state
        WHERE side = @side AND consumer = @consumer AND message_id = @message_id;
        IF @@ROWCOUNT = 0
            INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, state)
            VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts, @state);
        COMMIT TRANSACTION;
        """;

    // Two numbers of one index in two subqueries are two seeks; in one they would be a scan of the whole backlog.
    internal override string ReadBacklog =>
        """
        SELECT (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) AS waiting) AS counted,
            (SELECT MAX(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) - (SELECT MIN(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) + 1 AS span,
            (SELECT CAST(DATEDIFF_BIG(millisecond, MIN(since), SYSUTCDATETIME()) AS float) / 1000
             FROM (SELECT TOP (1000) CASE WHEN not_before > created_at THEN not_before ELSE created_at END AS since
                   FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition ORDER BY partition, sequence) AS waiting
             WHERE since <= SYSUTCDATETIME()) AS seconds
        """;

    // NOLOCK: a relay asks this when it begins, and must not wait for a writer that leaves its transaction open.
    internal override string StrayPartition =>
        """
        SELECT MAX(stray.partition)
        FROM (SELECT MAX(partition) AS partition FROM outbox_messages WITH (NOLOCK) WHERE partition >= CAST(@partitions AS smallint)
              UNION ALL SELECT MAX(partition) FROM outbox_messages WITH (NOLOCK) WHERE partition < 0) AS stray
        """;
}
