using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox;
using Outbox.Sagas;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>The sagas of one database, as an operator looks at them, and what an operator says to them.</summary>
/// <param name="dataSource">The database.</param>
/// <param name="dialect">Its engine.</param>
/// <param name="actor">Who acts, for the history.</param>
/// <remarks>What is said is a message in the outbox, because only the saga's service knows its definition: it takes effect when the service receives it, in one transaction with the entry in the history. A death before the commit here has said nothing.</remarks>
internal sealed class SagaDesk(DbDataSource dataSource, SqlDialect dialect, string actor)
{
    /// <summary>The statuses, in the order in which people are shown them.</summary>
    public static readonly IReadOnlyList<string> Statuses = ["parked", "compensating", "running", "failed", "compensated", "completed"];

    /// <summary>A saga.</summary>
    internal sealed record Standing(
        string Type, string Id, long Version, string Status, string? Step, string Operation, int Attempt, int GivenUp, string? Reason, string? Trouble, DateTime CreatedAt, DateTime UpdatedAt, DateTime? Deadline, string State)
    {
        /// <summary>Whether it has come to its end.</summary>
        public bool HasEnded => Status is "completed" or "compensated" or "failed";
    }

    /// <summary>Something that has happened to it.</summary>
    internal sealed record Entry(int Number, string? Step, string? Operation, string Event, int Attempt, string? MessageId, string? Actor, string? Reason, DateTime At);

    /// <summary>How many there are of a type and a status.</summary>
    internal sealed record Count(string Type, string Status, long Sagas);

    /// <summary>Which sagas are meant. Each part narrows the choice.</summary>
    internal sealed record Filter(string? Type = null, string? Status = null, string? Id = null);

    /// <summary>A place in a list of sagas: that of one of them, or without a type and an id before all that were changed at a time. Many can have one time, so a page does not end at a time.</summary>
    internal sealed record Place(DateTime UpdatedAt, string? Type = null, string? Id = null)
    {
        /// <summary>As text that is safe in a URL and on a command line: the time, and the saga's type and id behind it.</summary>
        public override string ToString() => $"{UpdatedAt.ToString("yyyy-MM-ddTHH:mm:ss.fffffffZ", CultureInfo.InvariantCulture)}{(Type is null ? "" : $"/{Type}/{Uri.EscapeDataString(Id!)}")}";

        /// <summary>Reads what <see cref="ToString"/> writes of a saga; null: it is something else.</summary>
        public static Place? Parse(string? text) => text?.Split('/') is [var at, var type, var id]
            && DateTime.TryParse(at, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? new Place(time, type, Uri.UnescapeDataString(id)) : null;

        /// <summary>The place of a saga.</summary>
        public static Place Of(Standing saga) => new(saga.UpdatedAt, saga.Type, saga.Id);
    }

    /// <summary>Sagas, the last changed first.</summary>
    /// <param name="filter">Which ones.</param>
    /// <param name="before">Only those that come after this place in the list, which were changed before it or at the same time; null: from the first on.</param>
    /// <param name="limit">Most rows.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<IReadOnlyList<Standing>> ListAsync(Filter filter, Place? before, int limit, CancellationToken cancellationToken) => ReadAsync(
        filter.Status is null ? dialect.ListSagas : dialect.ListSagasOfStatus,
        command => command.With("before", before?.UpdatedAt ?? new DateTime(9000, 1, 1, 0, 0, 0, DateTimeKind.Utc), DbType.DateTime).With("limit", limit)
            .With("last_type", before?.Type, DbType.String).With("last_id", before?.Id, DbType.String)
            .With("type", filter.Type, DbType.String).With("status", filter.Status, DbType.String).With("id", filter.Id, DbType.String),
        StandingOf, cancellationToken);

    /// <summary>One saga; null if there is none.</summary>
    public async Task<Standing?> FindAsync(string type, string id, CancellationToken cancellationToken) =>
        (await ReadAsync(dialect.FindSaga, command => command.With("type", type).With("id", id), StandingOf, cancellationToken).ConfigureAwait(false)).SingleOrDefault();

    private static Standing StandingOf(DbDataReader reader) => new(
        reader.GetString(0), reader.GetString(1), reader.NumberOrNull(2)!.Value, reader.GetString(3), reader.TextOrNull(4), reader.GetString(5), (int)reader.NumberOrNull(6)!.Value, (int)reader.NumberOrNull(7)!.Value,
        reader.TextOrNull(8), reader.TextOrNull(9), reader.Utc(10), reader.Utc(11), reader.UtcOrNull(12), reader.GetString(13));

    /// <summary>What has happened to a saga, in order.</summary>
    public Task<IReadOnlyList<Entry>> HistoryAsync(string type, string id, CancellationToken cancellationToken) => ReadAsync(
        dialect.ReadSagaSteps,
        command => command.With("type", type).With("id", id),
        reader => new Entry(
            (int)reader.NumberOrNull(0)!.Value, reader.TextOrNull(1), reader.TextOrNull(2), reader.GetString(3), (int)reader.NumberOrNull(4)!.Value, reader.IdTextOrNull(5), reader.TextOrNull(6), reader.TextOrNull(7), reader.Utc(8)), cancellationToken);

    /// <summary>How many there are, counted up to a limit.</summary>
    public Task<IReadOnlyList<Count>> CountAsync(int limit, CancellationToken cancellationToken) => ReadAsync(
        dialect.CountSagas,
        command => command.With("limit", limit),
        reader => new Count(reader.GetString(0), reader.GetString(1), reader.NumberOrNull(2)!.Value), cancellationToken);

    /// <summary>Says to have the operation sent again at which a saga stands.</summary>
    /// <exception cref="OutboxConfigurationException">There is no such saga, or it has ended.</exception>
    public Task RetryAsync(string type, string id, string? reason, CancellationToken cancellationToken) => TellAsync(type, id, SagaMessage.Retry, reason, cancellationToken);

    /// <summary>Says to give up the operation at which a saga is parked.</summary>
    /// <exception cref="OutboxConfigurationException">There is no such saga, or it is not parked.</exception>
    public Task GiveUpAsync(string type, string id, string reason, CancellationToken cancellationToken) => TellAsync(type, id, SagaMessage.GiveUp, reason, cancellationToken);

    private async Task TellAsync(string type, string id, string kind, string? reason, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        var (status, step, operation) = await StandingAsync(transaction, type, id, cancellationToken).ConfigureAwait(false)
            ?? throw new OutboxConfigurationException($"There is no saga '{type}' {id} here. List them with 'broker sagas list'.");
        if (status is "completed" or "compensated" or "failed")
            throw new OutboxConfigurationException($"Saga '{type}' {id} is {status}: it has ended, and nothing can be done with it any more.");
        if (kind == SagaMessage.GiveUp && status != "parked")
            throw new OutboxConfigurationException($"Saga '{type}' {id} is {status}, and goes on by itself. Only one that is parked can be given up.");
        await OutboxRows.InsertAsync(transaction, SagaWriter.RowOf(type, new SagaMessage { Kind = kind, Id = id, Step = step, Operation = operation, Actor = actor, Reason = reason }), cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<(string Status, string? Step, string Operation)?> StandingAsync(DbTransaction transaction, string type, string id, CancellationToken cancellationToken)
    {
        var command = transaction.Connection!.Command(dialect.ReadSaga, transaction).With("type", type).With("id", id);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false) ? (reader.GetString(1), reader.TextOrNull(2), reader.GetString(3)) : null;
    }

    private async Task<IReadOnlyList<T>> ReadAsync<T>(string sql, Func<DbCommand, DbCommand> bind, Func<DbDataReader, T> row, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = bind(connection.Command(sql));
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            rows.Add(row(reader));
        return rows;
    }
}
