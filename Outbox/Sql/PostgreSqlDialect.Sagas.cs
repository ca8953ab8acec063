namespace Outbox.Sql;

/// <summary>Sagas.</summary>
internal sealed partial class PostgreSqlDialect
{
    private const string SagaTables =
        """
        CREATE TABLE IF NOT EXISTS sagas (
            type character varying(100) NOT NULL,
            id character varying(200) NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            status character varying(20) NOT NULL,
            step character varying(100),
            operation character varying(20) NOT NULL,
            round integer NOT NULL,
            attempt integer NOT NULL,
            entries integer NOT NULL,
            given_up integer NOT NULL DEFAULT 0,
            state text NOT NULL,
            reason text,
            trouble text,
            created_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            updated_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            deadline timestamp with time zone,
            CONSTRAINT pk_sagas PRIMARY KEY (type, id)
        );
        CREATE INDEX IF NOT EXISTS ix_sagas_status ON sagas (status, updated_at);
        CREATE INDEX IF NOT EXISTS ix_sagas_updated_at ON sagas (updated_at);

        CREATE TABLE IF NOT EXISTS saga_steps (
            type character varying(100) NOT NULL,
            id character varying(200) NOT NULL,
            number integer NOT NULL,
            step character varying(100),
            operation character varying(20),
            event character varying(20) NOT NULL,
            attempt integer NOT NULL,
            message_id uuid,
            actor character varying(200),
            reason text,
            happened_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
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

    internal override string DeleteOldSagas => DeleteOld("sagas", "updated_at", Hidden("type = @type AND status IN ('completed', 'compensated', 'failed')"));

    internal override string DeleteOldSagaSteps => DeleteOld("saga_steps", "happened_at", Hidden("type = @type AND NOT EXISTS (SELECT 1 FROM sagas AS s WHERE s.type = saga_steps.type AND s.id = saga_steps.id)"));
}
