using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>What the consumers of one database have deferred, as an operator looks at it. Consumers try it again by themselves; here it is only read.</summary>
/// <param name="dataSource">The database.</param>
/// <param name="dialect">Its engine.</param>
internal sealed class DeferredDesk(DbDataSource dataSource, SqlDialect dialect)
{
    /// <summary>A deferred message.</summary>
    /// <param name="Id">Its number.</param>
    /// <param name="Consumer">The consumer that is to apply it.</param>
    /// <param name="State"><c>failed</c>: it is tried again; <c>behind</c>: it waits for an earlier one of its key; <c>gap</c>: for a number of its key that has not come; <c>dead</c>: its place is kept for a dead letter.</param>
    /// <param name="Attempts">How often it has failed.</param>
    /// <param name="MessageId">Its id.</param>
    /// <param name="Type">Its type.</param>
    /// <param name="Key">Its key.</param>
    /// <param name="Reason">Why it failed last.</param>
    /// <param name="DeferredAt">When it was deferred, UTC.</param>
    /// <param name="LastFailedAt">When it failed last, UTC; null if it has not.</param>
    /// <param name="NextAttemptAt">When it is tried again, UTC; null while it waits for another.</param>
    internal sealed record Message(
        long Id, string Consumer, string State, int Attempts, string MessageId, string? Type, string? Key, string? Reason, DateTime DeferredAt, DateTime? LastFailedAt, DateTime? NextAttemptAt);

    /// <summary>Which messages are meant. Each part narrows the choice.</summary>
    internal sealed record Filter(string? Consumer = null, string? State = null, string? Type = null, string? Key = null);

    /// <summary>A page in the order of the numbers.</summary>
    /// <param name="filter">Which messages.</param>
    /// <param name="from">The number that the page begins behind; null: the first page.</param>
    /// <param name="limit">Most rows.</param>
    /// <param name="before">The page in front of <paramref name="from"/> instead of the one behind it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<Message>> ListAsync(Filter filter, long? from, int limit, bool before, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command(before ? dialect.ListDeferredMessagesBack : dialect.ListDeferredMessages)
            .With("after", from ?? (before ? long.MaxValue : 0)).With("limit", limit)
            .With("consumer", filter.Consumer, DbType.String).With("state", filter.State, DbType.String).With("type", filter.Type, DbType.String).With("key", filter.Key, DbType.String);
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var messages = new List<Message>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            messages.Add(new Message(
                reader.GetInt64(0), reader.GetString(1), reader.GetString(2), Convert.ToInt32(reader.GetValue(3), CultureInfo.InvariantCulture), reader.IdTextOrNull(4) ?? "", reader.TextOrNull(5), reader.TextOrNull(6),
                reader.TextOrNull(7), reader.Utc(8), reader.UtcOrNull(9), reader.UtcOrNull(10)));
        }
        if (before)
            messages.Reverse();
        return messages;
    }
}
