using System.Data.Common;
using System.Globalization;
using System.Transactions;
using Outbox.Sql;

namespace Outbox;

/// <summary>How many partitions an outbox has, as its writers see it. The database holds the number; it is read at most every few seconds, not for each row. Thread-safe.</summary>
/// <remarks>
/// G3: whoever changes the number waits for twice <see cref="Lifetime"/> before he trusts that nobody counts with the old one. So a number is never used for longer, and its age is counted from before it was asked for.
/// </remarks>
internal sealed class PartitionCount(TimeProvider? clock = null)
{
    /// <summary>How long a number may be used after it was asked for.</summary>
    internal static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(5);

    /// <summary>From then on it is asked for again, while the old one still serves: a busy writer never waits.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2.5);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time = clock ?? TimeProvider.System;
    private readonly Lock _lock = new();
    private Known? _known;
    private Task<Known>? _refresh;

    private sealed record Known(int Partitions, long Asked);

    /// <summary>The number, if it was asked for lately.</summary>
    public int? Current => Volatile.Read(ref _known) is { } known && _time.GetElapsedTime(known.Asked) < Lifetime ? known.Partitions : null;

    /// <summary>The number.</summary>
    /// <param name="dataSource">Where to ask.</param>
    /// <param name="connection">The writer's own connection.</param>
    /// <param name="transaction">The writer's own transaction.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<int> GetAsync(DbDataSource dataSource, DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        if (Cached(dataSource, connection) is { } cached)
            return cached;
        var asked = _time.GetTimestamp();
        if (IsAsked(connection))
        {
            // Also when it has been asked for in vain: a pool may be used up by writers who all wait for this.
            if (await EndsAsync(Refresh(dataSource), cancellationToken).ConfigureAwait(false) is { } known && _time.GetElapsedTime(known.Asked) < Lifetime)
                return known.Partitions;
        }
        return Keep(Read(await connection.Command(SqlDialect.Of(connection).ReadSettings, transaction).ScalarAsync(cancellationToken).ConfigureAwait(false)), asked);
    }

    /// <inheritdoc cref="GetAsync"/>
    public int Get(DbDataSource dataSource, DbConnection connection, DbTransaction? transaction)
    {
        if (Cached(dataSource, connection) is { } cached)
            return cached;
        var asked = _time.GetTimestamp();
        if (IsAsked(connection) && Refresh(dataSource) is var refresh && Task.WaitAny([refresh], Patience) == 0 && refresh.IsCompletedSuccessfully && _time.GetElapsedTime(refresh.Result.Asked) < Lifetime)
            return refresh.Result.Partitions;
        using var command = connection.Command(SqlDialect.Of(connection).ReadSettings, transaction);
        return Keep(Read(command.ExecuteScalar()), asked);
    }

    /// <summary>
    /// A writer's own transaction may show the database as it was when it began, so it does not serve to ask for a number that all writers will use; except on SQLite, where a transaction with an old
    /// view of the database cannot write, and where a second connection might wait for the first.
    /// </summary>
    private static bool IsAsked(DbConnection connection) => SqlDialect.Of(connection) != SqlDialect.Sqlite;

    private int? Cached(DbDataSource dataSource, DbConnection connection)
    {
        if (Volatile.Read(ref _known) is not { } known || _time.GetElapsedTime(known.Asked) is var age && age >= Lifetime)
            return null;
        if (age >= Fresh && IsAsked(connection))
            _ = Refresh(dataSource);
        return known.Partitions;
    }

    private Task<Known> Refresh(DbDataSource dataSource)
    {
        lock (_lock)
        {
            if (_refresh is { IsCompleted: false } running)
                return running;
            return _refresh = Task.Run(() => AskAsync(dataSource));
        }
    }

    private async Task<Known> AskAsync(DbDataSource dataSource)
    {
        var asked = _time.GetTimestamp();
        // Not a part of the caller's distributed transaction.
        using var suppressed = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        var connection = await dataSource.OpenConnectionAsync(CancellationToken.None).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var partitions = Read(await connection.Command(SqlDialect.Of(connection).ReadSettings).ScalarAsync(CancellationToken.None).ConfigureAwait(false));
        Keep(partitions, asked);
        return new Known(partitions, asked);
    }

    private static async Task<Known?> EndsAsync(Task<Known> refresh, CancellationToken cancellationToken)
    {
        try
        {
            return await refresh.WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or DbException or InvalidOperationException)
        {
            return null;
        }
    }

    private int Keep(int partitions, long asked)
    {
        lock (_lock)
        {
            if (_known is null || _known.Asked < asked)
                Volatile.Write(ref _known, new Known(partitions, asked));
        }
        return partitions;
    }

    private static int Read(object? partitions) => partitions is null or DBNull
        ? throw new OutboxConfigurationException("The table outbox_settings has no row with id 1, so it is unknown how many partitions the outbox has. Put it back with 'broker schema --create', which changes nothing else.")
        : Convert.ToInt32(partitions, CultureInfo.InvariantCulture);
}
