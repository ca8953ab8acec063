using System.Data;
using System.Data.Common;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>The locks in one database, as an operator works on them.</summary>
/// <param name="dataSource">The database.</param>
/// <param name="dialect">Its engine.</param>
/// <param name="actor">Who works here.</param>
internal sealed class LockDesk(DbDataSource dataSource, SqlDialect dialect, string actor)
{
    private const int LongestNote = 8_000;
    private const int LongestOwner = 200;

    /// <summary>The locks that services hold, by name.</summary>
    public async Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken)
    {
        using var locks = new DatabaseLocks(dataSource, dialect, TimeProvider.System);
        return await locks.ListAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Every lease that is held under its full name: also those of relays, jobs, consumers and partitioned work.</summary>
    public async Task<IReadOnlyList<LockStanding>> ListLeasesAsync(CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return [.. (await DatabaseLocks.ListAsync(connection, "", cancellationToken).ConfigureAwait(false)).Where(l => l.ExpiresIn > TimeSpan.Zero)];
    }

    /// <summary>Takes a lock away from its holder and writes down who did it and why, in one transaction. False: nobody held it.</summary>
    public async Task<bool> StealAsync(string name, string reason, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        if (!await DatabaseLocks.StealAsync(transaction, dialect, name, Cut($"stolen by {actor}", LongestOwner), cancellationToken).ConfigureAwait(false))
            return false;
        await RecordAsync(connection, transaction, name, reason, cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Writes down that a lock was taken away that is kept elsewhere.</summary>
    public async Task RecordAsync(string name, string reason, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await RecordAsync(connection, null, name, reason, cancellationToken).ConfigureAwait(false);
    }

    private Task<int> RecordAsync(DbConnection connection, DbTransaction? transaction, string name, string reason, CancellationToken cancellationToken) => connection.Command(dialect.RecordLockAction, transaction)
        .With("name", Cut(name, LockName.MaxLength)).With("actor", Cut(actor, LongestOwner)).With("reason", Cut(reason, LongestNote), DbType.String).ExecuteAsync(cancellationToken);

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];
}
