namespace Outbox.Sql;

/// <summary>Sagas.</summary>
internal sealed partial class SqlServerDialect
{
    private const string SagaTables =
        """
        IF OBJECT_ID(N'sagas', N'U') IS NULL
        CREATE TABLE sagas (
            type nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            id nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            status nvarchar(20) NOT NULL,
            step nvarchar(100) NULL,
            operation nvarchar(20) NOT NULL,
            round int NOT NULL,
            attempt int NOT NULL,
            entries int NOT NULL,
            given_up int NOT NULL DEFAULT 0,
            state nvarchar(max) NOT NULL,
            reason nvarchar(max) NULL,
            trouble nvarchar(max) NULL,
            created_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            updated_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            deadline datetime2(7) NULL,
            CONSTRAINT pk_sagas PRIMARY KEY CLUSTERED (type, id)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'sagas', N'U') AND name = N'ix_sagas_status')
            CREATE INDEX ix_sagas_status ON sagas (status, updated_at);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'sagas', N'U') AND name = N'ix_sagas_updated_at')
            CREATE INDEX ix_sagas_updated_at ON sagas (updated_at);

        IF OBJECT_ID(N'saga_steps', N'U') IS NULL
        CREATE TABLE saga_steps (
            type nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            id nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            number int NOT NULL,
            step nvarchar(100) NULL,
            operation nvarchar(20) NULL,
            event nvarchar(20) NOT NULL,
            attempt int NOT NULL,
            message_id uniqueidentifier NULL,
            actor nvarchar(200) NULL,
            reason nvarchar(max) NULL,
            happened_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_saga_steps PRIMARY KEY CLUSTERED (type, id, number)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'saga_steps', N'U') AND name = N'ix_saga_steps_happened_at')
            CREATE INDEX ix_saga_steps_happened_at ON saga_steps (happened_at);
        """;

    internal override string InsertSaga =>
        $"""
        SET NOCOUNT OFF;
        SET XACT_ABORT OFF;
        BEGIN TRY
            INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, deadline)
            VALUES (@type, @id, @status, @step, @operation, @round, @attempt, @entries, @state, {After("@wait")});
        END TRY
        BEGIN CATCH
            IF ERROR_NUMBER() NOT IN (2601, 2627) THROW;
        END CATCH;
        """;

    internal override string DeleteOldCalls => DeleteOldInboxOf("operation <> N''");

    internal override string DeleteOldSagas =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.updated_at
        FROM (SELECT TOP (@limit) type, id FROM sagas WITH (INDEX (ix_sagas_updated_at)) WHERE type = @type AND status IN (N'completed', N'compensated', N'failed') AND {IsOlder("updated_at")} AND updated_at >= @from ORDER BY updated_at) AS old
        INNER LOOP JOIN sagas AS m WITH (ROWLOCK) ON m.type = old.type AND m.id = old.id
        """;

    internal override string DeleteOldSagaSteps =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.happened_at
        FROM (SELECT TOP (@limit) e.type, e.id, e.number FROM saga_steps AS e WITH (INDEX (ix_saga_steps_happened_at))
            WHERE e.type = @type AND {IsOlder("e.happened_at")} AND NOT EXISTS (SELECT 1 FROM sagas AS s WHERE s.type = e.type AND s.id = e.id) AND e.happened_at >= @from ORDER BY e.happened_at) AS old
        INNER LOOP JOIN saga_steps AS m WITH (ROWLOCK) ON m.type = old.type AND m.id = old.id AND m.number = old.number
        """;
}
