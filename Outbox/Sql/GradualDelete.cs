using System.Data;
using System.Data.Common;

namespace Outbox.Sql;

/// <summary>Deletes many rows by a statement that takes a few at a time, so that those who write beside it hardly notice.</summary>
/// <remarks>
/// How many is found by the clock: on one engine a thousand rows are gone in a millisecond, on a slow disk under another they hold the only writer's lock for a second.
/// Between two transactions it waits for much longer than it held its locks: who has met a lock of SQLite looks again after 150 ms only.
/// Each statement begins where the one before ended: what lies between the rows and is kept, and what engines leave of deleted rows in their indexes, is passed over once in a run, not once in a batch.
/// So a statement deletes in an order, and its result has the places in that order of the rows that it deleted, or the last one alone. Not thread-safe; one for each run.
/// </remarks>
internal sealed class GradualDelete(TimeProvider time)
{
    private const int First = 200;
    private const int Fewest = 20;
    private const int Most = 500;
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(15);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    /// <summary>Before all rows, and within what every engine takes for a time.</summary>
    private static readonly DateTime Beginning = new(1900, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private int _limit = First;

    /// <summary>Called after each transaction: how many rows it deleted, and how long it held its locks.</summary>
    public Action<int, TimeSpan>? Deleted { get; init; }

    /// <summary>Deletes the rows of a table that are older than an age, the oldest first.</summary>
    /// <param name="dataSource">The database.</param>
    /// <param name="statement">Takes @seconds, @limit and @from, and what <paramref name="bind"/> gives it. It returns times.</param>
    /// <param name="age">The age.</param>
    /// <param name="bind">Binds further parameters.</param>
    /// <param name="cancellationToken">Ends it between two transactions, or in one, which is then undone.</param>
    /// <returns>How many rows are gone.</returns>
    // From the time of the last one on, that time included: some of its rows may be left. The driver's type holds times of every engine to their last digit.
    public Task<long> RunAsync(DbDataSource dataSource, string statement, TimeSpan age, Action<DbCommand>? bind, CancellationToken cancellationToken) =>
        RunAsync(dataSource, statement, age, bind, new Place<DateTime>("from", Beginning, DbType.DateTime, reader => reader.Utc(0)), cancellationToken);

    /// <summary>Deletes the rows of a table that are older than an age, the lowest id first: where no index knows the age.</summary>
    /// <param name="dataSource">The database.</param>
    /// <param name="statement">Takes @seconds, @limit and @after. It returns ids.</param>
    /// <param name="age">The age.</param>
    /// <param name="cancellationToken">Ends it between two transactions, or in one, which is then undone.</param>
    /// <returns>How many rows are gone.</returns>
    public Task<long> RunByIdAsync(DbDataSource dataSource, string statement, TimeSpan age, CancellationToken cancellationToken) =>
        RunAsync(dataSource, statement, age, bind: null, new Place<long>("after", 0, DbType.Int64, reader => reader.GetInt64(0)), cancellationToken);

    private async Task<long> RunAsync<T>(DbDataSource dataSource, string statement, TimeSpan age, Action<DbCommand>? bind, Place<T> place, CancellationToken cancellationToken)
        where T : struct, IComparable<T>
    {
        var reached = place.First;
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await RunAsync(DeleteAsync, cancellationToken).ConfigureAwait(false);

        async Task<(int, TimeSpan)> DeleteAsync(int limit, CancellationToken token)
        {
            var transaction = await connection.BeginTransactionAsync(SqlDialect.Of(connection).ConsumerIsolation, token).ConfigureAwait(false);
            await using var __ = transaction.ConfigureAwait(false);
            // From here on: where one writer is all that there can be, the wait for its lock is over.
            var start = time.GetTimestamp();
            var command = connection.Command(statement, transaction).With("seconds", (long)age.TotalSeconds).With("limit", limit).With(place.Parameter, reached, place.Type);
            bind?.Invoke(command);
            var (deleted, last) = await DeleteAndReadAsync(command, reached, place.Read, token).ConfigureAwait(false);
            await transaction.CommitAsync(token).ConfigureAwait(false);
            reached = last;
            return (deleted, time.GetElapsedTime(start));
        }
    }

    private static async Task<(int Deleted, T Last)> DeleteAndReadAsync<T>(DbCommand command, T last, Func<DbDataReader, T> read, CancellationToken cancellationToken)
        where T : struct, IComparable<T>
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                // In no order: the engines return rows as they meet them.
                if (!await reader.IsDBNullAsync(0, cancellationToken).ConfigureAwait(false) && read(reader) is var place && place.CompareTo(last) > 0)
                    last = place;
            }
            // An error of a later statement shows only when its result is asked for.
            while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
            {
            }
        }
        return (reader.RecordsAffected, last);
    }

    /// <summary>Deletes until there is less than may be deleted at once.</summary>
    /// <param name="deleteAsync">Deletes at most so many rows in a transaction of its own, and tells how many, and how long it held its locks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async Task<long> RunAsync(Func<int, CancellationToken, Task<(int Deleted, TimeSpan Held)>> deleteAsync, CancellationToken cancellationToken)
    {
        for (var total = 0L; ;)
        {
            var limit = _limit;
            var (deleted, held) = await deleteAsync(limit, cancellationToken).ConfigureAwait(false);
            Deleted?.Invoke(deleted, held);
            total += deleted;
            if (deleted < limit)
                return total;
            _limit = held > Long ? Math.Max(Fewest, limit / 2) : held < Short ? Math.Min(Most, limit * 2) : limit;
            var pause = 10 * held;
            await Task.Delay(pause < ShortestPause ? ShortestPause : pause > LongestPause ? LongestPause : pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Where a statement is told to begin.</summary>
    private sealed record Place<T>(string Parameter, T First, DbType Type, Func<DbDataReader, T> Read);
}
