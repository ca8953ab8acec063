namespace Outbox.Sql;

/// <summary>A consumer's progress in the numbers of keys, and what its processes say of themselves.</summary>
internal sealed partial class SqlServerDialect
{
    private const string ConsumerTables =
        """
        IF OBJECT_ID(N'inbox_keys', N'U') IS NULL
        CREATE TABLE inbox_keys (
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            source nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            partition_key nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            last_sequence bigint NOT NULL,
            skipped nvarchar(max) NULL,
            CONSTRAINT pk_inbox_keys PRIMARY KEY CLUSTERED (consumer, source, partition_key)
        );

        IF OBJECT_ID(N'consumer_status', N'U') IS NULL
        CREATE TABLE consumer_status (
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            owner nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            started_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            expires_at datetime2(7) NOT NULL,
            status nvarchar(max) NULL,
            CONSTRAINT pk_consumer_status PRIMARY KEY CLUSTERED (consumer, owner)
        );
        """;

    private const string Numbers = "OPENJSON(@numbers) WITH (name nvarchar(200) COLLATE Latin1_General_100_BIN2 '$[0]', number bigint '$[1]') AS wanted";

    internal override string LockInboxKeys =>
        $"""
        SELECT k.partition_key, k.last_sequence, k.skipped FROM {WantedKeys}
        INNER LOOP JOIN inbox_keys AS k WITH (UPDLOCK, ROWLOCK) ON k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name
        """;

    // A look with range locks would make each new key wait for its neighbour's handler. So without; who was slower looks again.
    internal override string AddInboxKeys =>
        $"""
        SET NOCOUNT ON;
        SET XACT_ABORT OFF;
        DECLARE @tries int = 0;
        WHILE @tries < 10
        BEGIN
            BEGIN TRY
                INSERT INTO inbox_keys (consumer, source, partition_key, last_sequence)
                SELECT @consumer, @source, wanted.name, wanted.number FROM {Numbers}
                WHERE NOT EXISTS (SELECT 1 FROM inbox_keys AS k WHERE k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name);
                BREAK;
            END TRY
            BEGIN CATCH
                IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
                SET @tries = @tries + 1;
            END CATCH;
        END;
        """;

    internal override string MoveInboxKeys =>
        $"""
        UPDATE k SET last_sequence = wanted.number FROM {Numbers}
        INNER LOOP JOIN inbox_keys AS k WITH (ROWLOCK) ON k.consumer = @consumer AND k.source = @source AND k.partition_key = wanted.name
        """;

    internal override string PromoteNumbers =>
        $"""
        UPDATE d SET next_attempt_at = SYSUTCDATETIME() FROM {Numbers}
        INNER LOOP JOIN deferred_messages AS d WITH (ROWLOCK) ON d.consumer = @consumer AND d.partition_key = wanted.name
        WHERE d.key_sequence <= wanted.number AND (d.state = N'gap' OR (d.state = N'failed' AND d.attempts = 0))
        """;

    internal override string ReadNumbersOfKey =>
        $"""
        SELECT TOP (@limit) d.id, {FirstOfKey}, CAST(0 AS float), {DeferredColumns}
        FROM deferred_messages AS d WHERE d.consumer = @consumer AND d.partition_key = @key AND d.key_sequence > @after ORDER BY d.key_sequence, d.id
        """;

    internal override string ListGaps => GapsOf($"-{SecondsUntil("w.since")}", "w.source COLLATE Latin1_General_100_BIN2").Replace("SELECT w.consumer", "SELECT TOP (@limit) w.consumer", StringComparison.Ordinal);

    internal override string WriteConsumerStatus =>
        $"""
        UPDATE consumer_status WITH (UPDLOCK, HOLDLOCK) SET expires_at = {Expiry}, status = @status WHERE consumer = @consumer AND owner = @owner;
        IF @@ROWCOUNT = 0
            INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES (@consumer, @owner, {Expiry}, @status);
        """;
}
