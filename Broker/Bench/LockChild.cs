using System.Data.Common;
using Medallion.Threading.Postgres;
using Medallion.Threading.Redis;
using Npgsql;
using Outbox.Etcd;
using Outbox.Locks;
using Outbox.Redis;
using Outbox.Sql;
using StackExchange.Redis;

namespace Broker.Bench;

/// <summary>Takes and releases locks, each worker one of its own: what a lock costs that nobody else wants.</summary>
internal sealed class LockChild : IChild
{
    // Enough for the compiler to make the hot code anew, and not for ever where a majority decides.
    private const int WarmUpLocks = 2_000;

    private static readonly TimeSpan LongestWarmUp = TimeSpan.FromSeconds(1);

    private readonly ChildTask _task;
    private readonly List<IAsyncDisposable> _connections = [];
    private readonly Func<string, CancellationToken, Task<IAsyncDisposable>> _acquireAsync;

    public LockChild(ChildTask task) => (_task, _acquireAsync) = (task, Connect(task, _connections));

    public Task WarmUpAsync(CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        return Task.WhenAll(Enumerable.Range(0, _task.Concurrency).Select(worker => TakeAsync(worker, _ => TimeProvider.System.GetElapsedTime(start) < LongestWarmUp ? WarmUpLocks : 0, cancellationToken)));
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var taken = await Task.WhenAll(Enumerable.Range(0, _task.Concurrency).Select(worker => TakeAsync(worker, taken => TimeProvider.System.GetElapsedTime(start).TotalSeconds < _task.Seconds ? taken + 1 : taken, cancellationToken)));
        var milliseconds = taken.SelectMany(m => m).ToList();
        return new ChildResult { Count = milliseconds.Count, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds, Milliseconds = milliseconds };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
            await connection.DisposeAsync();
    }

    /// <summary>Takes and releases one lock again and again, as long as there are fewer than wanted.</summary>
    private async Task<List<double>> TakeAsync(int worker, Func<int, int> wanted, CancellationToken cancellationToken)
    {
        var name = FormattableString.Invariant($"bench-{worker}");
        var milliseconds = new List<double>();
        while (milliseconds.Count < wanted(milliseconds.Count))
        {
            var asked = TimeProvider.System.GetTimestamp();
            await (await _acquireAsync(name, cancellationToken)).DisposeAsync();
            milliseconds.Add(TimeProvider.System.GetElapsedTime(asked).TotalMilliseconds);
        }
        return milliseconds;
    }

    private static Func<string, CancellationToken, Task<IAsyncDisposable>> Connect(ChildTask task, List<IAsyncDisposable> connections)
    {
        T Keep<T>(T connection)
            where T : IAsyncDisposable
        {
            connections.Add(connection);
            return connection;
        }

        switch (task.Lock)
        {
            case LockKind.OtherPostgreSql:
                var source = Keep(NpgsqlDataSource.Create(task.ConnectionStrings[0]));
                return async (name, cancellationToken) => await new PostgresDistributedLock(new PostgresAdvisoryLockKey(name, allowHashing: true), source).AcquireAsync(cancellationToken: cancellationToken);
            case LockKind.OtherRedis:
                var database = Keep(ConnectionMultiplexer.Connect(task.Redis)).GetDatabase();
                return async (name, cancellationToken) => await new RedisDistributedLock(task.Exchange + name, database).AcquireAsync(cancellationToken: cancellationToken);
            default:
                var locks = Connect(task, Keep);
                return async (name, cancellationToken) => await locks.AcquireAsync(name, cancellationToken);
        }
    }

    private static IDistributedLocks Connect(ChildTask task, Func<IAsyncDisposable, IAsyncDisposable> keep)
    {
        switch (task.Lock)
        {
            case LockKind.Redis:
                var connection = ConnectionMultiplexer.Connect(task.Redis);
                keep(connection);
                return new RedisLocks(connection, new RedisLockOptions { KeyPrefix = task.Exchange });
            case LockKind.Etcd:
                return (EtcdLocks)keep(new EtcdLocks(task.Etcd.Split(','), new EtcdLockOptions { KeyPrefix = task.Exchange }));
            default:
                var dialect = BenchDatabase.Engine(task.Engine);
                // On PostgreSQL as the other's, and as a service makes it, which prepares nothing by itself.
                DbDataSource dataSource = dialect == SqlDialect.PostgreSql ? NpgsqlDataSource.Create(task.ConnectionStrings[0]) : DataSources.Create(dialect, task.ConnectionStrings[0], connections: 48);
                keep(dataSource);
                return new LeasedLocks(new DatabaseLocks(dataSource, dialect, TimeProvider.System), new LockOptions(), TimeProvider.System);
        }
    }
}
