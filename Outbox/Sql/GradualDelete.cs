using System.Data.Common;

namespace Outbox.Sql;

/// <summary>Deletes many rows by a statement that takes a few at a time, so that those who write beside it hardly notice.</summary>
/// <remarks>
/// How many is found by the clock: on one engine a thousand rows are gone in a millisecond, on a slow disk under another they hold the only writer's lock for a second.
/// Between two transactions it waits for much longer than it held its locks: who has met a lock of SQLite looks again after 150 ms only. Not thread-safe; one for each run.
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

    private int _limit = First;

    /// <summary>Called after each transaction: how many rows it deleted, and how long it held its locks.</summary>
    public Action<int, TimeSpan>? Deleted { get; init; }

    /// <summary>Deletes the rows of a table that are older than an age.</summary>
    /// <param name="dataSource">The database.</param>
    /// <param name="statement">Takes @seconds and @limit, and what <paramref name="bind"/> gives it.</param>
    /// <param name="age">The age.</param>
    /// <param name="bind">Binds further parameters.</param>
    /// <param name="cancellationToken">Ends it between two transactions, or in one, which is then undone.</param>
    /// <returns>How many rows are gone.</returns>
    public async Task<long> RunAsync(DbDataSource dataSource, string statement, TimeSpan age, Action<DbCommand>? bind, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await RunAsync(DeleteAsync, cancellationToken).ConfigureAwait(false);

        async Task<(int, TimeSpan)> DeleteAsync(int limit, CancellationToken token)
        {
            var transaction = await connection.BeginTransactionAsync(SqlDialect.Of(connection).ConsumerIsolation, token).ConfigureAwait(false);
            await using var __ = transaction.ConfigureAwait(false);
            // From here on: where one writer is all that there can be, the wait for its lock is over.
            var start = time.GetTimestamp();
            var command = connection.Command(statement, transaction).With("seconds", (long)age.TotalSeconds).With("limit", limit);
            bind?.Invoke(command);
            var deleted = await command.ExecuteAsync(token).ConfigureAwait(false);
            await transaction.CommitAsync(token).ConfigureAwait(false);
            return (deleted, time.GetElapsedTime(start));
        }
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
}
