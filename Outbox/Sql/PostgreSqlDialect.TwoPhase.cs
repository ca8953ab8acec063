namespace Outbox.Sql;

internal sealed partial class PostgreSqlDialect
{
    private const string TransactionTables =
        """
        CREATE TABLE IF NOT EXISTS transaction_decisions (
            transaction_id character varying(64) NOT NULL,
            coordinator character varying(16) NOT NULL,
            decision character varying(20) NOT NULL,
            reason text,
            decided_by character varying(200) NOT NULL,
            branches text NOT NULL,
            decided_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            outcome character varying(20),
            finished_at timestamp with time zone,
            CONSTRAINT pk_transaction_decisions PRIMARY KEY (transaction_id)
        );
        CREATE INDEX IF NOT EXISTS ix_transaction_decisions_outcome ON transaction_decisions (outcome, decided_at);
        CREATE INDEX IF NOT EXISTS ix_transaction_decisions_coordinator ON transaction_decisions (coordinator, decided_at);

        CREATE TABLE IF NOT EXISTS transaction_markers (
            transaction_id character varying(64) NOT NULL,
            branch character varying(64) NOT NULL,
            created_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            CONSTRAINT pk_transaction_markers PRIMARY KEY (transaction_id, branch)
        );
        CREATE INDEX IF NOT EXISTS ix_transaction_markers_created_at ON transaction_markers (created_at);

        CREATE TABLE IF NOT EXISTS transaction_coordinators (
            name character varying(16) NOT NULL,
            origin character varying(6) NOT NULL,
            incarnation integer NOT NULL,
            raised_at timestamp with time zone,
            raised_by character varying(200),
            reason text,
            CONSTRAINT pk_transaction_coordinators PRIMARY KEY (name)
        );
        """;

    internal override BranchStatements? Branches { get; } = new PostgreSqlBranches();

    internal override string DeleteOldDecisions => DeleteOld("transaction_decisions", "decided_at", "outcome = @outcome");

    internal override string DeleteOldMarkers => DeleteOld("transaction_markers", "created_at");

    private protected override string Clock => "clock_timestamp()";
}
