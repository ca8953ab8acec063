namespace Outbox.Sql;

internal sealed partial class SqliteDialect
{
    private const string TransactionTables =
        $"""
        CREATE TABLE IF NOT EXISTS transaction_decisions (
            transaction_id TEXT NOT NULL CONSTRAINT pk_transaction_decisions PRIMARY KEY,
            coordinator TEXT NOT NULL,
            decision TEXT NOT NULL,
            reason TEXT NULL,
            decided_by TEXT NOT NULL,
            branches TEXT NOT NULL,
            decided_at TEXT NOT NULL DEFAULT ({Now}),
            outcome TEXT NULL,
            finished_at TEXT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_transaction_decisions_outcome ON transaction_decisions (outcome, decided_at);
        CREATE INDEX IF NOT EXISTS ix_transaction_decisions_coordinator ON transaction_decisions (coordinator, decided_at);

        CREATE TABLE IF NOT EXISTS transaction_markers (
            transaction_id TEXT NOT NULL,
            branch TEXT NOT NULL,
            created_at TEXT NOT NULL DEFAULT ({Now}),
            CONSTRAINT pk_transaction_markers PRIMARY KEY (transaction_id, branch)
        );
        CREATE INDEX IF NOT EXISTS ix_transaction_markers_created_at ON transaction_markers (created_at);

        CREATE TABLE IF NOT EXISTS transaction_coordinators (
            name TEXT NOT NULL CONSTRAINT pk_transaction_coordinators PRIMARY KEY,
            origin TEXT NOT NULL,
            incarnation INTEGER NOT NULL,
            raised_at TEXT NULL,
            raised_by TEXT NULL,
            reason TEXT NULL
        );
        """;

    internal override string DeleteOldDecisions => DeleteOld("transaction_decisions", "decided_at", "outcome = @outcome");

    internal override string DeleteOldMarkers => DeleteOld("transaction_markers", "created_at");

    private protected override string Clock => Now;
}
