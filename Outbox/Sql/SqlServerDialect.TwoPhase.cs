namespace Outbox.Sql;

internal sealed partial class SqlServerDialect
{
    private const string TransactionTables =
        """
        IF OBJECT_ID(N'transaction_decisions', N'U') IS NULL
        CREATE TABLE transaction_decisions (
            transaction_id nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            coordinator nvarchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
            decision nvarchar(20) NOT NULL,
            reason nvarchar(max) NULL,
            decided_by nvarchar(200) NOT NULL,
            branches nvarchar(max) NOT NULL,
            decided_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            outcome nvarchar(20) NULL,
            finished_at datetime2(7) NULL,
            CONSTRAINT pk_transaction_decisions PRIMARY KEY CLUSTERED (transaction_id)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'transaction_decisions', N'U') AND name = N'ix_transaction_decisions_outcome')
            CREATE INDEX ix_transaction_decisions_outcome ON transaction_decisions (outcome, decided_at);
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'transaction_decisions', N'U') AND name = N'ix_transaction_decisions_coordinator')
            CREATE INDEX ix_transaction_decisions_coordinator ON transaction_decisions (coordinator, decided_at);

        IF OBJECT_ID(N'transaction_markers', N'U') IS NULL
        CREATE TABLE transaction_markers (
            transaction_id nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            branch nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            created_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_transaction_markers PRIMARY KEY CLUSTERED (transaction_id, branch)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'transaction_markers', N'U') AND name = N'ix_transaction_markers_created_at')
            CREATE INDEX ix_transaction_markers_created_at ON transaction_markers (created_at);

        IF OBJECT_ID(N'transaction_coordinators', N'U') IS NULL
        CREATE TABLE transaction_coordinators (
            name nvarchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
            origin nvarchar(6) COLLATE Latin1_General_100_BIN2 NOT NULL,
            incarnation int NOT NULL,
            raised_at datetime2(7) NULL,
            raised_by nvarchar(200) NULL,
            reason nvarchar(max) NULL,
            CONSTRAINT pk_transaction_coordinators PRIMARY KEY CLUSTERED (name)
        );
        """;

    internal override string DeleteOldDecisions =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.decided_at
        FROM (SELECT TOP (@limit) transaction_id FROM transaction_decisions WHERE outcome = @outcome AND {IsOlder("decided_at")} AND decided_at >= @from ORDER BY decided_at) AS old
        INNER LOOP JOIN transaction_decisions AS m WITH (ROWLOCK) ON m.transaction_id = old.transaction_id
        """;

    internal override string DeleteOldMarkers =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.created_at
        FROM (SELECT TOP (@limit) transaction_id, branch FROM transaction_markers WHERE {IsOlder("created_at")} AND created_at >= @from ORDER BY created_at) AS old
        INNER LOOP JOIN transaction_markers AS m WITH (ROWLOCK) ON m.transaction_id = old.transaction_id AND m.branch = old.branch
        """;

    private protected override string Clock => "SYSUTCDATETIME()";

    private protected override string FirstRows(string query) => $"SELECT TOP (@limit) {query}";
}
