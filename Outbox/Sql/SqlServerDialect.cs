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

    // Page locks would let READPAST pass over committed rows beside a locked one; an escalated lock would stop every writer.
    // The waits are short, because who waits to change a table holds up everybody behind it. sqlcmd begins with QUOTED_IDENTIFIER off, which an index with a condition refuses.
    internal override string CreateTables =>
        $"""
        SET NOCOUNT ON;
        SET XACT_ABORT ON;
        SET QUOTED_IDENTIFIER ON;
        SET IMPLICIT_TRANSACTIONS OFF;
        SET LOCK_TIMEOUT 5000;
        BEGIN TRANSACTION;
        DECLARE @locked int;
        EXEC @locked = sp_getapplock @Resource = N'outbox_schema', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 20000;
        IF @locked < 0 THROW 50001, N'Another session is changing the tables of the outbox.', 1;

        IF OBJECT_ID(N'outbox_messages', N'U') IS NULL
        CREATE TABLE outbox_messages (
            sequence bigint IDENTITY(1, 1) NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition smallint NOT NULL DEFAULT 0,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(100) NOT NULL DEFAULT N'application/json',
            body varbinary(max) NOT NULL,
            created_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            not_before datetime2(7) NULL,
            expires_at datetime2(7) NULL,
            CONSTRAINT pk_outbox_messages PRIMARY KEY CLUSTERED (partition, sequence)
        );
        IF EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'outbox_messages', N'U') AND lock_escalation_desc <> N'DISABLE')
            ALTER TABLE outbox_messages SET (LOCK_ESCALATION = DISABLE);
        IF EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_messages', N'U') AND name = N'pk_outbox_messages' AND (allow_page_locks = 1 OR optimize_for_sequential_key = 0))
            ALTER INDEX pk_outbox_messages ON outbox_messages SET (ALLOW_PAGE_LOCKS = OFF, OPTIMIZE_FOR_SEQUENTIAL_KEY = ON);

        IF OBJECT_ID(N'outbox_archive', N'U') IS NULL
        CREATE TABLE outbox_archive (
            sequence bigint NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition smallint NOT NULL,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(100) NOT NULL,
            body varbinary(max) NOT NULL,
            created_at datetime2(7) NOT NULL,
            not_before datetime2(7) NULL,
            expires_at datetime2(7) NULL,
            published_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            outcome nvarchar(20) NOT NULL DEFAULT N'published',
            CONSTRAINT pk_outbox_archive PRIMARY KEY CLUSTERED (sequence, message_id)
        );
        IF COL_LENGTH(N'outbox_archive', N'outcome') IS NULL
            ALTER TABLE outbox_archive ADD outcome nvarchar(20) NOT NULL DEFAULT N'published';
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_archive', N'U') AND name = N'ix_outbox_archive_published_at')
            CREATE INDEX ix_outbox_archive_published_at ON outbox_archive (published_at);

        IF OBJECT_ID(N'outbox_scheduled', N'U') IS NULL
        CREATE TABLE outbox_scheduled (
            id bigint IDENTITY(1, 1) NOT NULL,
            partition smallint NOT NULL,
            not_before datetime2(7) NOT NULL,
            sequence bigint NOT NULL,
            message_id uniqueidentifier NOT NULL,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
            key_sequence bigint NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(100) NOT NULL,
            body varbinary(max) NOT NULL,
            created_at datetime2(7) NOT NULL,
            expires_at datetime2(7) NULL,
            CONSTRAINT pk_outbox_scheduled PRIMARY KEY CLUSTERED (id)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'outbox_scheduled', N'U') AND name = N'ix_outbox_scheduled_due')
            CREATE INDEX ix_outbox_scheduled_due ON outbox_scheduled (partition, not_before, id);

        IF OBJECT_ID(N'leases', N'U') IS NULL
        CREATE TABLE leases (
            name nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            owner nvarchar(200) NOT NULL,
            token bigint NOT NULL,
            expires_at datetime2(7) NOT NULL,
            CONSTRAINT pk_leases PRIMARY KEY CLUSTERED (name)
        );

        IF OBJECT_ID(N'inbox_messages', N'U') IS NULL
        CREATE TABLE inbox_messages (
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            message_id uniqueidentifier NOT NULL,
            operation nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT N'',
            received_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_inbox_messages PRIMARY KEY CLUSTERED (consumer, message_id, operation)
        );
        IF EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'inbox_messages', N'U') AND lock_escalation_desc <> N'DISABLE')
            ALTER TABLE inbox_messages SET (LOCK_ESCALATION = DISABLE);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'inbox_messages', N'U') AND name = N'ix_inbox_messages_received_at')
            CREATE INDEX ix_inbox_messages_received_at ON inbox_messages (received_at);

        IF OBJECT_ID(N'dead_letters', N'U') IS NULL
        CREATE TABLE dead_letters (
            id bigint IDENTITY(1, 1) NOT NULL,
            side nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT N'',
            source nvarchar(200) NULL,
            message_id uniqueidentifier NULL,
            original_id nvarchar(max) NULL,
            type nvarchar(max) NULL,
            partition_key nvarchar(max) NULL,
            headers nvarchar(max) NULL,
            content_type nvarchar(max) NULL,
            body varbinary(max) NOT NULL,
            reason nvarchar(max) NOT NULL,
            error nvarchar(max) NULL,
            attempts int NOT NULL,
            first_failed_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            last_failed_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            state nvarchar(20) NOT NULL DEFAULT N'dead',
            partition smallint NULL,
            sequence bigint NULL,
            key_sequence bigint NULL,
            created_at datetime2(7) NULL,
            expires_at datetime2(7) NULL,
            CONSTRAINT pk_dead_letters PRIMARY KEY CLUSTERED (id)
        );
        IF COL_LENGTH(N'dead_letters', N'sequence') IS NULL
            ALTER TABLE dead_letters ADD partition smallint NULL, sequence bigint NULL, key_sequence bigint NULL, created_at datetime2(7) NULL, expires_at datetime2(7) NULL;
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dead_letters', N'U') AND name = N'ux_dead_letters_message')
            CREATE UNIQUE INDEX ux_dead_letters_message ON dead_letters (side, consumer, message_id) WHERE message_id IS NOT NULL;
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dead_letters', N'U') AND name = N'ix_dead_letters_state')
            CREATE INDEX ix_dead_letters_state ON dead_letters (side, state, partition);

        IF OBJECT_ID(N'relays', N'U') IS NULL
        CREATE TABLE relays (
            owner nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            started_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            expires_at datetime2(7) NOT NULL,
            status nvarchar(max) NULL,
            CONSTRAINT pk_relays PRIMARY KEY CLUSTERED (owner)
        );

        {ReceiptTables}

        IF OBJECT_ID(N'outbox_settings', N'U') IS NULL
        CREATE TABLE outbox_settings (
            id smallint NOT NULL,
            partitions smallint NOT NULL DEFAULT 1,
            next_partitions smallint NULL,
            changed_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_outbox_settings PRIMARY KEY CLUSTERED (id)
        );
        IF NOT EXISTS (SELECT 1 FROM outbox_settings WHERE id = 1)
            INSERT INTO outbox_settings (id) VALUES (1);

        IF OBJECT_ID(N'outbox_schema', N'U') IS NULL
        CREATE TABLE outbox_schema (
            version int NOT NULL,
            applied_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_outbox_schema PRIMARY KEY CLUSTERED (version)
        );
        IF NOT EXISTS (SELECT 1 FROM outbox_schema WHERE version = 4)
            INSERT INTO outbox_schema (version) VALUES (4);
        COMMIT TRANSACTION;
        """;

    internal override string DescribeColumns =>
        """
        SELECT t.name, c.name,
            CASE WHEN y.name IN (N'nvarchar', N'varbinary') THEN CONCAT(y.name, N'(', CASE WHEN c.max_length = -1 THEN N'max' WHEN y.name = N'nvarchar' THEN CONCAT(N'', c.max_length / 2) ELSE CONCAT(N'', c.max_length) END, N')')
                 WHEN y.name = N'datetime2' THEN CONCAT(N'datetime2(', c.scale, N')') ELSE y.name END,
            CASE WHEN c.is_nullable = 1 THEN 0 ELSE 1 END, CAST(COALESCE(k.key_ordinal, 0) AS int)
        FROM sys.tables AS t
        INNER JOIN sys.columns AS c ON c.object_id = t.object_id
        INNER JOIN sys.types AS y ON y.user_type_id = c.user_type_id
        LEFT JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 1
        LEFT JOIN sys.index_columns AS k ON k.object_id = t.object_id AND k.index_id = i.index_id AND k.column_id = c.column_id
        WHERE t.object_id IN (OBJECT_ID(N'outbox_messages', N'U'), OBJECT_ID(N'outbox_archive', N'U'), OBJECT_ID(N'outbox_scheduled', N'U'), OBJECT_ID(N'leases', N'U'), OBJECT_ID(N'inbox_messages', N'U'), OBJECT_ID(N'dead_letters', N'U'), OBJECT_ID(N'relays', N'U'), OBJECT_ID(N'consumers', N'U'), OBJECT_ID(N'receipt_requests', N'U'), OBJECT_ID(N'receipts', N'U'), OBJECT_ID(N'outbox_settings', N'U'), OBJECT_ID(N'outbox_schema', N'U'))
        """;

    internal override string DescribeIndexes =>
        """
        SELECT t.name, i.name FROM sys.tables AS t INNER JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 0 AND i.name IS NOT NULL
        WHERE t.object_id IN (OBJECT_ID(N'outbox_messages', N'U'), OBJECT_ID(N'outbox_archive', N'U'), OBJECT_ID(N'outbox_scheduled', N'U'), OBJECT_ID(N'leases', N'U'), OBJECT_ID(N'inbox_messages', N'U'), OBJECT_ID(N'dead_letters', N'U'), OBJECT_ID(N'relays', N'U'), OBJECT_ID(N'consumers', N'U'), OBJECT_ID(N'receipt_requests', N'U'), OBJECT_ID(N'receipts', N'U'), OBJECT_ID(N'outbox_settings', N'U'), OBJECT_ID(N'outbox_schema', N'U'))
        """;

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
        DELETE m
        FROM (SELECT TOP (@limit) sequence, message_id FROM outbox_archive WHERE published_at < {Age} ORDER BY published_at) AS old
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
        UPDATE leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET owner = @owner, token = token + 1, expires_at = {Expiry}
        OUTPUT inserted.token INTO @taken (token)
        WHERE name = @name AND expires_at <= SYSUTCDATETIME();
        IF @@ROWCOUNT = 0
            INSERT INTO leases (name, owner, token, expires_at)
            OUTPUT inserted.token INTO @taken (token)
            SELECT @name, @owner, 1, {Expiry} WHERE NOT EXISTS (SELECT 1 FROM leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
        COMMIT TRANSACTION;
        SELECT token FROM @taken;
        """;

    internal override string RenewLease => $"{Plain} UPDATE leases WITH (ROWLOCK) SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    internal override string ReleaseLease => $"{Plain} UPDATE leases WITH (ROWLOCK) SET expires_at = '19700101' WHERE name = @name AND token = @token";

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

    internal override string DeleteOldInbox =>
        $"""
        {Plain}
        DELETE m
        FROM (SELECT TOP (@limit) consumer, message_id, operation FROM inbox_messages WHERE received_at < {Age} ORDER BY received_at) AS old
        INNER LOOP JOIN inbox_messages AS m WITH (ROWLOCK) ON m.consumer = old.consumer AND m.message_id = old.message_id AND m.operation = old.operation
        """;

    internal override string InsertDeadLetter =>
        $"""
        {Plain}
        SET XACT_ABORT ON;
        BEGIN TRANSACTION;
        UPDATE dead_letters WITH (UPDLOCK, HOLDLOCK) SET reason = @reason, error = @error, attempts = attempts + @attempts, last_failed_at = SYSUTCDATETIME(), state = N'dead'
        WHERE side = @side AND consumer = @consumer AND message_id = @message_id;
        IF @@ROWCOUNT = 0
            INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts)
            VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts);
        COMMIT TRANSACTION;
        """;

    // Two numbers of one index in two subqueries are two seeks; in one they would be a scan of the whole backlog.
    internal override string ReadBacklog =>
        """
        SELECT (SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS one FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) AS counted),
            (SELECT MAX(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) - (SELECT MIN(sequence) FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition) + 1,
            (SELECT CAST(DATEDIFF_BIG(millisecond, MIN(since), SYSUTCDATETIME()) AS float) / 1000
             FROM (SELECT TOP (1000) CASE WHEN not_before > created_at THEN not_before ELSE created_at END AS since
                   FROM outbox_messages WITH (NOLOCK) WHERE partition = @partition ORDER BY partition, sequence) AS waiting
             WHERE since <= SYSUTCDATETIME())
        """;

    // NOLOCK: a relay asks this when it begins, and must not wait for a writer that leaves its transaction open.
    internal override string StrayPartition =>
        """
        SELECT MAX(stray.partition)
        FROM (SELECT MAX(partition) AS partition FROM outbox_messages WITH (NOLOCK) WHERE partition >= CAST(@partitions AS smallint)
              UNION ALL SELECT MAX(partition) FROM outbox_messages WITH (NOLOCK) WHERE partition < 0) AS stray
        """;
}
