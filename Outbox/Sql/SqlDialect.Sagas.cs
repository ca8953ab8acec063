using System.Globalization;

namespace Outbox.Sql;

/// <content>Sagas: where each stands, what has happened to it, and what participants remember of its calls.</content>
public abstract partial class SqlDialect
{
    /// <summary>Begins a saga; one row affected means that there was none of this id: @type, @id, @status, @step, @operation, @round, @attempt, @entries, @state, @wait: milliseconds until its deadline, or null.</summary>
    internal abstract string InsertSaga { get; }

    /// <summary>Where a saga stands: @type, @id. Columns: version, status, step, operation, round, attempt, entries, given_up, state, reason, trouble.</summary>
    internal string ReadSaga { get; } = "SELECT version, status, step, operation, round, attempt, entries, given_up, state, reason, trouble FROM sagas WHERE type = @type AND id = @id";

    /// <summary>Moves a saga on from the version that was read; no row affected means that another was faster: @type, @id, @version, and the rest as <see cref="InsertSaga"/>, with @given_up, @reason and @trouble.</summary>
    internal string UpdateSaga =>
        $"""
        UPDATE sagas SET version = version + 1, status = @status, step = @step, operation = @operation, round = @round, attempt = @attempt, entries = @entries, given_up = @given_up,
            state = @state, reason = @reason, trouble = @trouble, updated_at = {Time}, deadline = {After("@wait")}
        WHERE type = @type AND id = @id AND version = @version
        """;

    /// <summary>Writes what has happened to a saga: @type, @id, and for each entry, with its number from 0 behind the name, @number, @step, @operation, @event, @attempt, @message_id, @actor, @reason.</summary>
    internal string InsertSagaSteps(int entries) =>
        $"""
        INSERT INTO saga_steps (type, id, number, step, operation, event, attempt, message_id, actor, reason, happened_at)
        VALUES {string.Join(",\n    ", Enumerable.Range(0, entries).Select(i => i.ToString(CultureInfo.InvariantCulture)).Select(i => $"(@type, @id, @number{i}, @step{i}, @operation{i}, @event{i}, @attempt{i}, @message_id{i}, @actor{i}, @reason{i}, {Time})"))}
        """;

    /// <summary>Deletes the history of a saga that was forgotten, before another of its id begins: @type, @id.</summary>
    internal string DeleteSagaSteps { get; } = "DELETE FROM saga_steps WHERE type = @type AND id = @id";

    /// <summary>As <see cref="InsertMessage"/>, with @wait instead of @not_before: milliseconds from now, by the database's clock.</summary>
    internal string InsertDelayedMessage =>
        $"""
        INSERT INTO outbox_messages (message_id, {Partition}, partition_key, key_sequence, type, headers, content_type, body, not_before, expires_at)
        VALUES (@message_id, @partition, @partition_key, @key_sequence, @type, @headers, @content_type, @body, {After("@wait")}, @expires_at)
        """;

    /// <summary>Whether a consumer remembers an operation of a message: @consumer, @message_id, @operation. One row if it does.</summary>
    internal string FindOperation { get; } = "SELECT 1 FROM inbox_messages WHERE consumer = @consumer AND message_id = @message_id AND operation = @operation";

    /// <summary>Deletes up to @limit rows by which a @consumer remembers calls of sagas and that are older than @seconds, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldCalls { get; }

    /// <summary>Deletes up to @limit sagas of a @type that ended more than @seconds ago, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldSagas { get; }

    /// <summary>Deletes up to @limit entries of a @type that are more than @seconds old and whose sagas are gone, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldSagaSteps { get; }

    /// <summary>Sagas that come after one of a time, @before, a type and an id, @last_type and @last_id, the last changed first; without those two: that were changed before the time. Also @limit, and @type, @status, @id, each null for any.
    /// Columns: type, id, version, status, step, operation, attempt, given_up, reason, trouble, created_at, updated_at, deadline, state.</summary>
    internal string ListSagas => SagaPage("(@status IS NULL OR s.status = @status)");

    /// <summary>As <see cref="ListSagas"/>, of one @status: by the index that has it, where those that are looked for are few among many.</summary>
    internal string ListSagasOfStatus => SagaPage("s.status = @status");

    /// <summary>One saga: @type, @id. Columns as <see cref="ListSagas"/>.</summary>
    internal string FindSaga => $"SELECT {SagaColumns} FROM sagas AS s{WithoutWaiting} WHERE s.type = @type AND s.id = @id";

    /// <summary>What has happened to a saga, in order: @type, @id. Columns: number, step, operation, event, attempt, message id as text, actor, reason, happened_at.</summary>
    internal string ReadSagaSteps =>
        $"SELECT s.number, s.step, s.operation, s.event, s.attempt, {TextOfId("s.message_id")} AS message_id, s.actor, s.reason, s.happened_at FROM saga_steps AS s{WithoutWaiting} WHERE s.type = @type AND s.id = @id ORDER BY s.number";

    /// <summary>How many sagas there are of each type and status, counted up to @limit. Columns: type, status, count.</summary>
    internal string CountSagas => $"SELECT type, status, COUNT(*) FROM ({Counted("sagas", "1 = 1", "type, status")}) AS counted GROUP BY type, status";

    private const string SagaColumns = "s.type, s.id, s.version, s.status, s.step, s.operation, s.attempt, s.given_up, s.reason, s.trouble, s.created_at, s.updated_at, s.deadline, s.state";

    private string SagaPage(string ofStatus) => Page(
        $"""
        {SagaColumns} FROM sagas AS s{WithoutWaiting}
        WHERE {ofStatus} AND s.updated_at <= {Instant("@before")} AND (s.updated_at < {Instant("@before")} OR s.type < @last_type OR (s.type = @last_type AND s.id < @last_id))
            AND (@type IS NULL OR s.type = @type) AND (@id IS NULL OR s.id = @id)
        """, "s.updated_at DESC, s.type DESC, s.id DESC");
}
