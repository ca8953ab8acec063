using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.Locks;

/// <summary>The row that a lock's tokens are checked against, in the database that is written to.</summary>
/// <remarks>
/// On PostgreSQL that is the lease's own row, if the lock is kept in the same database: its token is part of a unique key, which the guard locks and a renewal does not touch. Everywhere else it is a row of <c>fences</c>.
/// The row never falls. A transaction that was let through keeps it as it is until it ends: a newer holder raises it afterwards, so the accepted tokens of one fence never fall either.
/// A holder's first look in a foreign database raises the row; if that transaction is rolled back, the next one raises it again.
/// </remarks>
internal static class Fence
{
    /// <summary>Lets a transaction through if no higher token is known, and keeps it so until it ends.</summary>
    public static async Task PassAsync(DbTransaction transaction, string fence, string name, long token, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection ?? throw new ArgumentException("The transaction is already committed or rolled back.", nameof(transaction));
        var dialect = SqlDialect.Of(connection);
        try
        {
            var known = dialect.ReadLease is { } lease ? await AskAsync(transaction, connection, lease, fence, token, cancellationToken).ConfigureAwait(false) : null;
            if (known is null && dialect.ReadFence is { } read)
                known = await AskAsync(transaction, connection, read, fence, token, cancellationToken).ConfigureAwait(false);
            known ??= await AskAsync(transaction, connection, dialect.RaiseFence, fence, token, cancellationToken).ConfigureAwait(false);
            if (known > token)
                throw new LockLostException(name, token, known.Value);
            if (known != token)
                throw new InvalidOperationException($"The fence '{fence}' could not be raised to token {token.ToString(CultureInfo.InvariantCulture)}.");
        }
        catch (DbException exception) when (SqlErrors.IsMissingTable(exception))
        {
            throw new OutboxConfigurationException($"Lock '{name}' cannot guard a write in database '{connection.Database}': it has no table fences. Create it with 'broker schema --source … --create', or add model.UseOutbox() and a migration.", exception);
        }
    }

    private static async Task<long?> AskAsync(DbTransaction transaction, DbConnection connection, string sql, string fence, long token, CancellationToken cancellationToken) =>
        await connection.Command(sql, transaction).With("name", fence).With("token", token).ScalarAsync(cancellationToken).ConfigureAwait(false) is { } value
            ? Convert.ToInt64(value, CultureInfo.InvariantCulture)
            : null;
}
