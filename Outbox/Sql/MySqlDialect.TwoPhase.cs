namespace Outbox.Sql;

internal sealed partial class MySqlDialect
{
    private const string TransactionTables =
        """
        CREATE TABLE IF NOT EXISTS transaction_decisions (
            transaction_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
            coordinator varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
            decision varchar(20) NOT NULL,
            reason longtext NULL,
            decided_by varchar(200) NOT NULL,
            branches longtext NOT NULL,
            decided_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            outcome varchar(20) NULL,
            finished_at datetime(6) NULL,
            CONSTRAINT pk_transaction_decisions PRIMARY KEY (transaction_id),
            KEY ix_transaction_decisions_outcome (outcome, decided_at),
            KEY ix_transaction_decisions_coordinator (coordinator, decided_at)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

        CREATE TABLE IF NOT EXISTS transaction_markers (
            transaction_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
            branch varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
            created_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            CONSTRAINT pk_transaction_markers PRIMARY KEY (transaction_id, branch),
            KEY ix_transaction_markers_created_at (created_at)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

        CREATE TABLE IF NOT EXISTS transaction_coordinators (
            name varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
            origin varchar(6) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
            incarnation int NOT NULL,
            raised_at datetime(6) NULL,
            raised_by varchar(200) NULL,
            reason longtext NULL,
            CONSTRAINT pk_transaction_coordinators PRIMARY KEY (name)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
        """;

    internal override BranchStatements? Branches { get; } = new MySqlBranches();

    internal override string DeleteOldDecisions => DeleteOld("transaction_decisions", "decided_at", "outcome = @outcome");

    internal override string DeleteOldMarkers => DeleteOld("transaction_markers", "created_at");

    private protected override string Clock => "utc_timestamp(6)";
}
