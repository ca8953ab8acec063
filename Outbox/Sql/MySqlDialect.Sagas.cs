namespace Outbox.Sql;

/// <summary>Sagas.</summary>
internal sealed partial class MySqlDialect
{
    private const string SagaTables =
        """
        CREATE TABLE IF NOT EXISTS sagas (
            type varchar(100) NOT NULL,
            id varchar(200) NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            status varchar(20) NOT NULL,
            step varchar(100) NULL,
            operation varchar(20) NOT NULL,
            round int NOT NULL,
            attempt int NOT NULL,
            entries int NOT NULL,
            given_up int NOT NULL DEFAULT 0,
            state longtext NOT NULL,
            reason longtext NULL,
            trouble longtext NULL,
            created_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            updated_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            deadline datetime(6) NULL,
            CONSTRAINT pk_sagas PRIMARY KEY (type, id),
            KEY ix_sagas_status (status, updated_at),
            KEY ix_sagas_updated_at (updated_at)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

        CREATE TABLE IF NOT EXISTS saga_steps (
            type varchar(100) NOT NULL,
            id varchar(200) NOT NULL,
            number int NOT NULL,
            step varchar(100) NULL,
            operation varchar(20) NULL,
            event varchar(20) NOT NULL,
            attempt int NOT NULL,
            message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NULL,
            actor varchar(200) NULL,
            reason longtext NULL,
            happened_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            CONSTRAINT pk_saga_steps PRIMARY KEY (type, id, number),
            KEY ix_saga_steps_happened_at (happened_at)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
        """;

    // Not ON DUPLICATE KEY UPDATE: the driver counts a row that was found, also when nothing in it changed.
    internal override string InsertSaga =>
        $"""
        INSERT IGNORE INTO sagas (type, id, status, step, operation, round, attempt, entries, state, deadline)
        VALUES (@type, @id, @status, @step, @operation, @round, @attempt, @entries, @state, {After("@wait")})
        """;

    internal override string DeleteOldCalls => DeleteOldInboxOf("operation <> ''");

    internal override string DeleteOldSagas => DeleteOld("sagas", "updated_at", "concat(type, '') = @type AND concat(status, '') IN ('completed', 'compensated', 'failed')");

    internal override string DeleteOldSagaSteps => DeleteOld("saga_steps", "happened_at", "concat(type, '') = @type AND NOT EXISTS (SELECT 1 FROM sagas s WHERE s.type = saga_steps.type AND s.id = saga_steps.id)");
}
