namespace Outbox.Sql;

/// <summary>Sagas.</summary>
internal sealed partial class SqliteDialect
{
    private const string SagaTables =
        $"""
        CREATE TABLE IF NOT EXISTS sagas (
            type TEXT NOT NULL,
            id TEXT NOT NULL,
            version INTEGER NOT NULL DEFAULT 1,
            status TEXT NOT NULL,
            step TEXT NULL,
            operation TEXT NOT NULL,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            entries INTEGER NOT NULL,
            given_up INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL,
            reason TEXT NULL,
            trouble TEXT NULL,
            created_at TEXT NOT NULL DEFAULT ({Now}),
            updated_at TEXT NOT NULL DEFAULT ({Now}),
            deadline TEXT NULL,
            CONSTRAINT pk_sagas PRIMARY KEY (type, id)
        );
        CREATE INDEX IF NOT EXISTS ix_sagas_status ON sagas (status, updated_at);
        CREATE INDEX IF NOT EXISTS ix_sagas_updated_at ON sagas (updated_at);

        CREATE TABLE IF NOT EXISTS saga_steps (
            type TEXT NOT NULL,
            id TEXT NOT NULL,
            number INTEGER NOT NULL,
            step TEXT NULL,
            operation TEXT NULL,
            event TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            message_id TEXT NULL,
            actor TEXT NULL,
            reason TEXT NULL,
            happened_at TEXT NOT NULL DEFAULT ({Now}),
            CONSTRAINT pk_saga_steps PRIMARY KEY (type, id, number)
        );
        CREATE INDEX IF NOT EXISTS ix_saga_steps_happened_at ON saga_steps (happened_at);
        """;

    internal override string InsertSaga =>
        $"""
        INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, deadline)
        VALUES (@type, @id, @status, @step, @operation, @round, @attempt, @entries, @state, {After("@wait")}) ON CONFLICT DO NOTHING
        """;

    internal override string DeleteOldCalls => DeleteOldInboxOf("operation <> ''");

    internal override string DeleteOldSagas => DeleteOld("sagas", "updated_at", "+type = @type AND +status IN ('completed', 'compensated', 'failed')");

    internal override string DeleteOldSagaSteps => DeleteOld("saga_steps", "happened_at", "+type = @type AND NOT EXISTS (SELECT 1 FROM sagas AS s WHERE s.type = saga_steps.type AND s.id = saga_steps.id)");
}
