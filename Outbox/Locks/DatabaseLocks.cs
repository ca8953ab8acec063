using System.Data.Common;
using System.Globalization;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Locks;

/// <summary>Locks in a service's database: leases of the same table as the relay's, under names of their own, with a fence each.</summary>
/// <remarks>
/// Names: <c>lock/name</c> for a lock, <c>wait/name/id</c> for a process that has waited for it for a second; such rows are leases too, so those of the dead run out.
/// Nobody tells other processes that a lock is free: they look, after pauses that grow to a second, each a little different.
/// </remarks>
internal sealed class DatabaseLocks : ILockStore, IDisposable
{
    internal const string Prefix = "lock/";

    internal const string WaitPrefix = "wait/";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly DbDataSource _dataSource;
    private readonly SqlDialect _dialect;
    private readonly TimeProvider _time;
    private readonly KeptConnections? _kept;
    private readonly DatabaseLeases _leases;

    public DatabaseLocks(DbDataSource dataSource, SqlDialect dialect, TimeProvider time)
    {
        (_dataSource, _dialect, _time) = (dataSource, dialect, time);
        _kept = dialect.KeepsLockConnections ? new KeptConnections(dataSource, dialect.PreparesStatements, time) : null;
        _leases = new DatabaseLeases(dataSource, dialect, time, _kept);
    }

    public string Provider => _dialect.Name;

    public string FenceOf(string name) => Prefix + name;

    public async Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        try
        {
            return await _leases.TryAcquireAsync(Prefix + name, owner, duration, cancellationToken, isFenced: true).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsTransient(exception))
        {
            // Others ask at the same moment, or a transaction that is guarded by the token before has not ended: nobody else writes past it, so the lock is not free yet.
            return null;
        }
    }

    public Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken) => _leases.RenewAsync(name, token, duration, cancellationToken);

    public Task ReleaseAsync(string name, long token, CancellationToken cancellationToken) => _leases.ReleaseAsync(name, token, cancellationToken);

    public bool IsOutage(Exception exception) => _leases.IsOutage(exception);

    public Task<IAsyncDisposable> ListenAsync(string name, string owner, Action released, CancellationToken cancellationToken) =>
        Task.FromResult<IAsyncDisposable>(new LockWaiter(_leases, name, owner, _time));

    public void Dispose() => _kept?.Dispose();

    public TimeSpan PauseAfter(int attempt) => Backoff.Delay(attempt, FirstPause, LongestPause);

    public async Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken)
    {
        var connection = await _dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var waiters = (await ListAsync(connection, WaitPrefix, cancellationToken).ConfigureAwait(false))
            .Where(w => w.ExpiresIn > TimeSpan.Zero)
            .CountBy(w => w.Name[WaitPrefix.Length..w.Name.LastIndexOf('/')], StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        return
        [
            .. (await ListAsync(connection, Prefix, cancellationToken).ConfigureAwait(false))
                .Where(l => l.ExpiresIn > TimeSpan.Zero)
                .Select(l => l with { Name = l.Name[Prefix.Length..] })
                .Select(l => l with { Waiters = waiters.GetValueOrDefault(l.Name) }),
        ];
    }

    public async Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken)
    {
        var connection = await _dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        if (!await StealAsync(transaction, _dialect, name, thief, cancellationToken).ConfigureAwait(false))
            return false;
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Takes a lock away within a transaction, which may record more about it.</summary>
    internal static async Task<bool> StealAsync(DbTransaction transaction, SqlDialect dialect, string name, string thief, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection!;
        var held = (await ListAsync(connection, Prefix + name, cancellationToken, transaction).ConfigureAwait(false)).FirstOrDefault(l => l.Name == Prefix + name && l.ExpiresIn > TimeSpan.Zero);
        // By its token: should it have another holder by now, that one keeps it.
        if (held is null || await connection.Command(dialect.StealLease, transaction).With("name", held.Name).With("owner", thief).With("token", held.Token).ExecuteAsync(cancellationToken).ConfigureAwait(false) != 1)
            return false;
        await connection.Command(dialect.RaiseFence, transaction).With("name", held.Name).With("token", held.Token + 1).ScalarAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Leases whose names begin alike, held or not.</summary>
    internal static async Task<IReadOnlyList<LockStanding>> ListAsync(DbConnection connection, string prefix, CancellationToken cancellationToken, DbTransaction? transaction = null)
    {
        var found = new List<LockStanding>();
        // What means something in a pattern stands for any character: the rest is told below.
        var pattern = string.Concat(prefix.Select(c => c is '%' or '[' or ']' or '^' or '\\' ? '_' : c)) + "%";
        var command = connection.Command(SqlDialect.Of(connection).ListLocks, transaction).With("pattern", pattern);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (reader.GetString(0) is var name && name.StartsWith(prefix, StringComparison.Ordinal))
            {
                found.Add(new LockStanding(name, reader.GetString(1), Convert.ToInt64(reader.GetValue(2), CultureInfo.InvariantCulture), reader.UtcOrNull(4),
                    TimeSpan.FromSeconds(Convert.ToDouble(reader.GetValue(3), CultureInfo.InvariantCulture)), 0));
            }
        }
        return found;
    }
}
