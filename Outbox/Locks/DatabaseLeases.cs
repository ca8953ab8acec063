using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.Locks;

/// <summary>Leases as rows of the table <c>leases</c>: expiry by the database's clock, and a fencing token that rises with each new holder.</summary>
/// <param name="dataSource">The database.</param>
/// <param name="dialect">Its engine.</param>
/// <param name="time">The holder's clock.</param>
/// <param name="kept">Connections for those who take and give up leases all the time; null to take each from the pool.</param>
internal sealed class DatabaseLeases(DbDataSource dataSource, SqlDialect dialect, TimeProvider time, KeptConnections? kept = null) : ILeaseStore
{
    /// <summary>Takes the lease if it is free or has expired; null if another holds it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="owner">Who asks, for people.</param>
    /// <param name="duration">How long it lasts without being renewed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="renews">Whether it renews itself; otherwise its holder does (<see cref="Lease.Extend"/>).</param>
    /// <param name="isFenced">Whether transactions are guarded by it (<see cref="Fence"/>): where the lease's own row cannot do that, its token goes into the table <c>fences</c> too.</param>
    public async Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken, bool renews = true, bool isFenced = false)
    {
        // Counted from before the request: the database's expiry can only be later than the holder's own deadline.
        var asked = time.GetTimestamp();
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        object? token;
        try
        {
            token = isFenced && !dialect.AcquiresLockAtOnce
                ? await AcquireInTransactionAsync(connection.Connection, name, owner, duration, cancellationToken).ConfigureAwait(false)
                : await AcquireAtOnceAsync(connection, isFenced, name, owner, duration, cancellationToken).ConfigureAwait(false);
            connection.Done();
        }
        catch (DbException exception) when (SqlErrors.IsDuplicateKey(exception))
        {
            // Two asked for a name that was new, at one moment; the other has it. PostgreSQL's ON CONFLICT watches one of the two unique keys only.
            return null;
        }
        return token is long value ? new Lease(this, name, value, duration, asked, time, renews) : null;
    }

    private async Task<object?> AcquireAtOnceAsync(KeptConnection connection, bool isFenced, string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        (string, object)[] parameters = [("name", name), ("owner", owner), ("milliseconds", (long)duration.TotalMilliseconds)];
        try
        {
            if (isFenced && dialect.RetakeLock is { } retake && await connection.ScalarAsync(retake, parameters, cancellationToken).ConfigureAwait(false) is { } token)
                return token;
            return await connection.ScalarAsync(isFenced ? dialect.AcquireLock : dialect.AcquireLease, parameters, cancellationToken).ConfigureAwait(false);
        }
        catch (DbException) when (isFenced && dialect.UndoAcquireLock is not null)
        {
            await UndoAsync(connection.Connection).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<object?> AcquireInTransactionAsync(DbConnection connection, string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        if (dialect.PrepareAcquireLock is { } prepare)
            await connection.Command(prepare).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = transaction.ConfigureAwait(false);
        if (await connection.Command(dialect.AcquireLock, transaction).With("name", name).With("owner", owner).With("milliseconds", (long)duration.TotalMilliseconds).ScalarAsync(cancellationToken).ConfigureAwait(false) is not long token)
            return null;
        await connection.Command(dialect.RaiseFence, transaction).With("name", name).With("token", token).ScalarAsync(cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return token;
    }

    private async ValueTask<KeptConnection> OpenAsync(CancellationToken cancellationToken) => kept is not null
        ? await kept.TakeAsync(cancellationToken).ConfigureAwait(false)
        : new KeptConnection(await KeptConnections.OpenAsync(dataSource, cancellationToken).ConfigureAwait(false), keeper: null);

    private async Task UndoAsync(DbConnection connection)
    {
        try
        {
            await connection.Command(dialect.UndoAcquireLock!).ExecuteAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or InvalidOperationException)
        {
            // The connection is gone, and its transaction with it.
        }
    }

    /// <inheritdoc/>
    public bool IsOutage(Exception exception) => exception is DbException or InvalidOperationException or IOException or TimeoutException;

    public async Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken)
    {
        var connection = await KeptConnections.OpenAsync(dataSource, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await connection.Command(dialect.RenewLease)
            .With("name", name).With("token", token).With("milliseconds", (long)duration.TotalMilliseconds)
            .ExecuteAsync(cancellationToken).ConfigureAwait(false) == 1;
    }

    public async Task ReleaseAsync(string name, long token, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.ScalarAsync(dialect.ReleaseLease, [("name", name), ("token", token)], cancellationToken).ConfigureAwait(false);
        connection.Done();
    }

    /// <summary>Extends those of the leases that are still held, if wanted, and then tells how all of a group stand.</summary>
    /// <param name="prefix">What the names of the group begin with.</param>
    /// <param name="held">The leases to extend.</param>
    /// <param name="duration">How long they last from now on.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<LeaseStanding>> RenewAndListAsync(string prefix, IReadOnlyList<(string Name, long Token)> held, TimeSpan duration, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        if (held.Count > 0)
        {
            var renew = connection.Command(dialect.RenewLeases(held.Count)).With("milliseconds", (long)duration.TotalMilliseconds);
            await using var __ = renew.ConfigureAwait(false);
            SqlDialect.BindHeld(renew, held);
            await renew.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
        var standings = new List<LeaseStanding>();
        var list = connection.Command(dialect.ListLeases).With("pattern", prefix + "%");
        await using var ___ = list.ConfigureAwait(false);
        var reader = await list.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ____ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            // An underscore in a name stands for any character in the pattern, and some databases compare without case.
            if (reader.GetString(0) is var name && name.StartsWith(prefix, StringComparison.Ordinal))
            {
                standings.Add(new LeaseStanding(name, reader.GetString(1), Convert.ToInt64(reader.GetValue(2), CultureInfo.InvariantCulture),
                    TimeSpan.FromSeconds(Convert.ToDouble(reader.GetValue(3), CultureInfo.InvariantCulture))));
            }
        }
        return standings;
    }

    /// <summary>Deletes a lease of this holder whose token fences nothing.</summary>
    public async Task DeleteAsync(string name, long token, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.DeleteLease).With("name", name).With("token", token).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Deletes leases of a group that ended long ago. Only for those whose tokens fence nothing.</summary>
    public async Task DeleteOldAsync(string prefix, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.DeleteOldLeases).With("pattern", prefix + "%").ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }
}
