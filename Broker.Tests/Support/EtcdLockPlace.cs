using Google.Protobuf;
using Outbox.Etcd;
using Outbox.Etcd.Protos;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>Locks in etcd, with keys of their own.</summary>
internal sealed class EtcdLockPlace(TestDatabase guarded, string[] endpoints) : LockPlace(guarded)
{
    private readonly string _prefix = TestServers.NewName("locks");
    private readonly List<EtcdLocks> _connections = [];

    public static async Task<LockPlace> CreateAsync() => new EtcdLockPlace(await TestDatabase.CreateAsync(SqlDialect.Sqlite), TestServers.Etcd());

    public override IDistributedLocks Connect(string owner, TimeSpan lease)
    {
        var locks = new EtcdLocks(endpoints, new EtcdLockOptions { Owner = owner, Lease = lease, KeyPrefix = _prefix });
        _connections.Add(locks);
        return locks;
    }

    public override async Task VanishAsync(string name)
    {
        using var cluster = new EtcdCluster(endpoints, null, TimeProvider.System);
        await cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).DeleteRangeAsync(new DeleteRangeRequest { Key = ByteString.CopyFromUtf8($"{_prefix}/lock/{name}") }, options), CancellationToken.None);
    }

    public override Campaigns.LockHolder.Place Address => new("etcd", string.Join(',', endpoints), _prefix, Guarded.Dialect.Name, Guarded.ConnectionString);

    public override async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
            await connection.DisposeAsync();
        await base.DisposeAsync();
    }
}
