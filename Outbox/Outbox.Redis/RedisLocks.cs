using Outbox.Locks;
using StackExchange.Redis;

namespace Outbox.Redis;

/// <summary>Locks in Redis. An <i>efficiency</i> lock: as durable as the server's disk and its replication, so what must not be done twice needs <see cref="IDistributedLock.GuardAsync"/> as well.</summary>
public sealed class RedisLocks : IDistributedLocks, IAsyncDisposable
{
    private readonly IConnectionMultiplexer? _own;
    private readonly LeasedLocks _locks;

    /// <summary>Uses a connection that others use too, and leaves it open.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <param name="time">The clock for waiting and renewing; null for the system's.</param>
    public RedisLocks(IConnectionMultiplexer connection, RedisLockOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(connection);
        options ??= new RedisLockOptions();
        _locks = new LeasedLocks(new RedisLockStore(connection, options.KeyPrefix, time ?? TimeProvider.System), options, time ?? TimeProvider.System);
    }

    internal RedisLocks(string configuration, RedisLockOptions options, TimeProvider? time)
        : this(Connect(configuration), options, time, isOwn: true)
    {
    }

    private RedisLocks(IConnectionMultiplexer connection, RedisLockOptions options, TimeProvider? time, bool isOwn)
        : this(connection, options, time) => _own = isOwn ? connection : null;

    /// <inheritdoc/>
    public Task<IDistributedLock?> TryAcquireAsync(string name, TimeSpan wait, CancellationToken cancellationToken = default) => _locks.TryAcquireAsync(name, wait, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken = default) => _locks.ListAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken = default) => _locks.StealAsync(name, thief, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _own?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static ConnectionMultiplexer Connect(string configuration)
    {
        ConfigurationOptions options;
        try
        {
            options = ConfigurationOptions.Parse(configuration);
        }
        catch (ArgumentException exception)
        {
            throw new OutboxConfigurationException("The configuration of Redis cannot be read. A good one is 'redis.internal:6379,ssl=true'.", exception);
        }
        // A service starts, and goes on, while Redis is away.
        options.AbortOnConnectFail = false;
        return ConnectionMultiplexer.Connect(options);
    }
}
