using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Outbox.Consumers;
using Outbox.Sql;

namespace Outbox.Sagas;

/// <summary>The rows of sagas, in the transaction of the message that moves them.</summary>
internal sealed class SagaStore(SagaDefinition definition)
{
    private const int MaxReason = 2_000;

    public async Task<SagaInstance?> ReadAsync(DbTransaction transaction, string id, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection!;
        var command = connection.Command(SqlDialect.Of(connection).ReadSaga, transaction).With("type", definition.Name).With("id", id);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            return null;
        return new SagaInstance(
            id,
            Version: reader.NumberOrNull(0)!.Value,
            Enum.Parse<SagaStatus>(reader.GetString(1), ignoreCase: true),
            reader.TextOrNull(2),
            SagaHeaders.OperationOf(reader.GetString(3)) ?? SagaOperation.Action,
            Round: Number(reader, 4),
            Attempt: Number(reader, 5),
            Entries: Number(reader, 6),
            GivenUp: Number(reader, 7),
            SagaMessage.Json.Deserialize(Encoding.UTF8.GetBytes(reader.GetString(8)), definition.State),
            Reason: reader.TextOrNull(9),
            Trouble: reader.TextOrNull(10));
    }

    /// <summary>Writes a turn down. False: the saga was begun before by somebody else.</summary>
    /// <exception cref="SagaConflictException">Another has moved it on since it was read.</exception>
    public async Task<bool> WriteAsync(DbTransaction transaction, SagaTurn turn, bool isNew, CancellationToken cancellationToken)
    {
        var (connection, saga, dialect) = (transaction.Connection!, turn.Saga, SqlDialect.Of(transaction.Connection!));
        var command = connection.Command(isNew ? dialect.InsertSaga : dialect.UpdateSaga, transaction)
            .With("type", definition.Name)
            .With("id", saga.Id)
            .With("status", NameOf(saga.Status))
            .With("step", saga.Step, DbType.String)
            .With("operation", SagaHeaders.NameOf(saga.Operation))
            .With("round", saga.Round)
            .With("attempt", saga.Attempt)
            .With("entries", saga.Entries + turn.Entries.Count)
            .With("state", Encoding.UTF8.GetString(SagaMessage.Json.Serialize(saga.State)))
            .With("wait", turn.Deadline is { } wait ? (long)wait.TotalMilliseconds : null, DbType.Int64);
        if (!isNew)
        {
            command
                .With("version", saga.Version - 1)
                .With("given_up", saga.GivenUp)
                .With("reason", IncomingMessage.Fit(saga.Reason, MaxReason), DbType.String)
                .With("trouble", IncomingMessage.Fit(saga.Trouble, MaxReason), DbType.String);
        }
        if (await command.ExecuteAsync(cancellationToken).ConfigureAwait(false) == 0)
            return isNew ? false : throw new SagaConflictException(definition.Name, saga.Id);
        // Sagas are forgotten before their histories, and a death or an hour may lie between.
        if (isNew)
            await connection.Command(dialect.DeleteSagaSteps, transaction).With("type", definition.Name).With("id", saga.Id).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        await WriteHistoryAsync(transaction, turn, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task WriteHistoryAsync(DbTransaction transaction, SagaTurn turn, CancellationToken cancellationToken)
    {
        var command = transaction.Connection!.Command(SqlDialect.Of(transaction.Connection!).InsertSagaSteps(turn.Entries.Count), transaction).With("type", definition.Name).With("id", turn.Saga.Id);
        for (var i = 0; i < turn.Entries.Count; i++)
        {
            var (entry, at) = (turn.Entries[i], i.ToString(CultureInfo.InvariantCulture));
            command
                .With("number" + at, turn.Saga.Entries + i + 1)
                .With("step" + at, entry.Step, DbType.String)
                .With("operation" + at, entry.Operation is { } operation ? SagaHeaders.NameOf(operation) : null, DbType.String)
                .With("event" + at, entry.Event)
                .With("attempt" + at, entry.Attempt)
                .With("message_id" + at, entry.MessageId, DbType.Guid)
                .With("actor" + at, IncomingMessage.Fit(entry.Actor, 200), DbType.String)
                .With("reason" + at, IncomingMessage.Fit(entry.Reason, MaxReason), DbType.String);
        }
        await command.ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A status as the table has it.</summary>
    public static string NameOf(SagaStatus status) => status.ToString().ToLowerInvariant();

    private static int Number(DbDataReader reader, int ordinal) => (int)reader.NumberOrNull(ordinal)!.Value;
}
