using Outbox.Locks;
using Outbox.Redis;
using Outbox.Sql;
using StackExchange.Redis;

namespace Broker.Tests.Support;

/// <summary>Locks in Redis, with keys of their own.</summary>
internal sealed class RedisLockPlace(TestDatabase guarded, string server) : LockPlace(guarded)
{
    private readonly string _prefix = TestServers.NewName("locks");
    private readonly List<ConnectionMultiplexer> _connections = [];

    public static async Task<LockPlace> CreateAsync() => new RedisLockPlace(await TestDatabase.CreateAsync(SqlDialect.Sqlite), TestServers.Redis());

    public override IDistributedLocks Connect(string owner, TimeSpan lease)
    {
        // Not to wait for one that a test has stopped.
        var connection = ConnectionMultiplexer.Connect($"{server},abortConnect=false,syncTimeout=2000,asyncTimeout=2000");
        _connections.Add(connection);
        return new RedisLocks(connection, new RedisLockOptions { Owner = owner, Lease = lease, KeyPrefix = _prefix });
    }

    public override async Task VanishAsync(string name) => await _connections[0].GetDatabase().KeyDeleteAsync($"{_prefix}:{{{name}}}:lock");

    public override Campaigns.LockHolder.Place Address => new("redis", server, _prefix, Guarded.Dialect.Name, Guarded.ConnectionString);

    public override async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
            await connection.DisposeAsync();
        await base.DisposeAsync();
    }
}
