using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.Locks;

/// <summary>Leases as rows of the table <c>leases</c>: expiry by the database's clock, and a fencing token that rises with each new holder.</summary>
internal sealed class DatabaseLeases(DbDataSource dataSource, SqlDialect dialect, TimeProvider time)
{
    /// <summary>Takes the lease if it is free or has expired; null if another holds it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="owner">Who asks, for people.</param>
    /// <param name="duration">How long it lasts without being renewed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="renews">Whether it renews itself; otherwise its holder does (<see cref="Lease.Extend"/>).</param>
    public async Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken, bool renews = true)
    {
        // Counted from before the request: the database's expiry can only be later than the holder's own deadline.
        var asked = time.GetTimestamp();
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        object? token;
        try
        {
            token = await connection.Command(dialect.AcquireLease)
                .With("name", name).With("owner", owner).With("milliseconds", (long)duration.TotalMilliseconds)
                .ScalarAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsDuplicateKey(exception))
        {
            // Two asked for a name that was new, at one moment; the other has it. PostgreSQL's ON CONFLICT watches one of the two unique keys only.
            return null;
        }
        return token is long value ? new Lease(this, name, value, duration, asked, time, renews) : null;
    }

    public async Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await connection.Command(dialect.RenewLease)
            .With("name", name).With("token", token).With("milliseconds", (long)duration.TotalMilliseconds)
            .ExecuteAsync(cancellationToken).ConfigureAwait(false) == 1;
    }

    public async Task ReleaseAsync(string name, long token, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.ReleaseLease).With("name", name).With("token", token).ExecuteAsync(cancellationToken).ConfigureAwait(false);
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

    /// <summary>Deletes leases of a group that ended long ago. Only for those whose tokens fence nothing.</summary>
    public async Task DeleteOldAsync(string prefix, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.DeleteOldLeases).With("pattern", prefix + "%").ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }
}
