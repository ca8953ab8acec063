using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.Inbox;

internal sealed class DbTransactionInbox(PreparedStatements statements) : IInbox
{
    private const string Plain = "";

    /// <summary>For those whose sessions may be shared: it prepares nothing.</summary>
    public static DbTransactionInbox Instance { get; } = new(PreparedStatements.None);

    public async Task<bool> TryAddAsync(DbTransaction transaction, string consumer, Guid messageId, CancellationToken cancellationToken)
    {
        var connection = ConnectionOf(transaction);
        ArgumentException.ThrowIfNullOrEmpty(consumer);
        // So short that preparing it would gain the server what it costs the client.
        return await connection.Command(SqlDialect.Of(connection).InsertInbox, transaction)
            .With("consumer", consumer).With("message_id", messageId).With("operation", Plain)
            .ExecuteAsync(cancellationToken).ConfigureAwait(false) == 1;
    }

    /// <summary>Records a message, and tells whether its key has deferred ones, in one call.</summary>
    public async Task<(bool IsNew, bool KeyWaits)> TryAddInOrderAsync(DbTransaction transaction, string consumer, Guid messageId, string key, CancellationToken cancellationToken)
    {
        var connection = ConnectionOf(transaction);
        var command = connection.Command(SqlDialect.Of(connection).InsertInboxInOrder, transaction)
            .With("consumer", consumer).With("message_id", messageId).With("operation", Plain).With("key", key);
        await using var _ = command.ConfigureAwait(false);
        var reader = await statements.ReadAsync(command, cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        return (Convert.ToInt64(reader.GetValue(0), CultureInfo.InvariantCulture) == 1, Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture) == 1);
    }

    /// <summary>Takes back what the same transaction has recorded: the messages' effects are undone and they are to be tried again.</summary>
    public async Task TakeBackAsync(DbTransaction transaction, string consumer, IReadOnlyCollection<Guid> messageIds, CancellationToken cancellationToken)
    {
        if (messageIds.Count == 0)
            return;
        var connection = ConnectionOf(transaction);
        var dialect = SqlDialect.Of(connection);
        await statements.ExecuteAsync(Bind(dialect, connection.Command(dialect.DeleteManyInbox, transaction), consumer, [.. messageIds]), cancellationToken).ConfigureAwait(false);
    }

    public async Task<IReadOnlySet<Guid>> TryAddAsync(DbTransaction transaction, string consumer, IReadOnlyCollection<Guid> messageIds, CancellationToken cancellationToken)
    {
        var connection = ConnectionOf(transaction);
        ArgumentException.ThrowIfNullOrEmpty(consumer);
        ArgumentNullException.ThrowIfNull(messageIds);
        var dialect = SqlDialect.Of(connection);
        // In the same order everywhere, so that two batches that share messages cannot each wait for the other.
        var ids = messageIds.Distinct().Order().ToList();
        if (ids.Count == 0)
            return new HashSet<Guid>();
        if (dialect.FindInbox is { } find)
        {
            var known = await IdsAsync(dialect, connection.Command(find, transaction), consumer, ids, cancellationToken).ConfigureAwait(false);
            return await AddUnknownAsync(dialect, transaction, consumer, [.. ids.Where(id => !known.Contains(id))], cancellationToken).ConfigureAwait(false);
        }
        try
        {
            return await IdsAsync(dialect, connection.Command(dialect.InsertManyInbox, transaction), consumer, ids, cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsDuplicateKey(exception))
        {
            // Another session has recorded one of them since the statement looked. The statement is undone as a whole; one by one they tell.
            return await OneByOneAsync(transaction, consumer, ids, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Records messages none of which is known.</summary>
    /// <exception cref="KnownMessageException">One of them is. The transaction may be lost by that, and is to be tried again with <see cref="TryAddAsync(DbTransaction, string, IReadOnlyCollection{Guid}, CancellationToken)"/>.</exception>
    public async Task AddNewAsync(DbTransaction transaction, string consumer, IReadOnlyCollection<Guid> messageIds, CancellationToken cancellationToken)
    {
        var connection = ConnectionOf(transaction);
        var dialect = SqlDialect.Of(connection);
        var ids = messageIds.Distinct().Order().ToList();
        if (ids.Count == 0)
            return;
        try
        {
            await statements.ExecuteAsync(Bind(dialect, connection.Command(dialect.InsertNewInbox!, transaction), consumer, ids), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsDuplicateKey(exception))
        {
            throw new KnownMessageException(exception);
        }
    }

    /// <summary>For an insert that gives only a number: if all went in, all are new. If not, another session was faster with some of them, and only one by one tells with which.</summary>
    private async Task<IReadOnlySet<Guid>> AddUnknownAsync(SqlDialect dialect, DbTransaction transaction, string consumer, List<Guid> ids, CancellationToken cancellationToken)
    {
        if (ids.Count == 0)
            return new HashSet<Guid>();
        const string before = "inbox_batch";
        await transaction.SaveAsync(before, cancellationToken).ConfigureAwait(false);
        var added = await Bind(dialect, transaction.Connection!.Command(dialect.InsertManyInbox, transaction), consumer, ids).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        if (added == ids.Count)
        {
            await transaction.ReleaseAsync(before, cancellationToken).ConfigureAwait(false);
            return ids.ToHashSet();
        }
        await transaction.RollbackAsync(before, cancellationToken).ConfigureAwait(false);
        return await OneByOneAsync(transaction, consumer, ids, cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlySet<Guid>> OneByOneAsync(DbTransaction transaction, string consumer, List<Guid> ids, CancellationToken cancellationToken)
    {
        var added = new HashSet<Guid>();
        foreach (var id in ids)
        {
            if (await TryAddAsync(transaction, consumer, id, cancellationToken).ConfigureAwait(false))
                added.Add(id);
        }
        return added;
    }

    private async Task<HashSet<Guid>> IdsAsync(SqlDialect dialect, DbCommand command, string consumer, List<Guid> ids, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await statements.ReadAsync(Bind(dialect, command, consumer, ids), cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var found = new HashSet<Guid>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            found.Add(dialect.ReadGuid(reader, 0));
        return found;
    }

    private static DbCommand Bind(SqlDialect dialect, DbCommand command, string consumer, List<Guid> ids) =>
        command.With("consumer", consumer).With("message_ids", dialect.MessageIdsParameter(ids)).With("operation", Plain);

    private static DbConnection ConnectionOf(DbTransaction transaction)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        return transaction.Connection ?? throw new ArgumentException("The transaction is already committed or rolled back.", nameof(transaction));
    }
}
