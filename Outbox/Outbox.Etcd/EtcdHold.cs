using Google.Protobuf;
using Grpc.Core;
using Outbox.Etcd.Protos;
using Outbox.Locks;

namespace Outbox.Etcd;

/// <summary>What a holder does with a lock in etcd: its key lives as long as a lease of etcd's, which the holder keeps alive.</summary>
internal sealed class EtcdHold(EtcdCluster cluster, ByteString key, long lease) : ILeaseStore
{
    public async Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken)
    {
        if (await cluster.CallAsync((invoker, options) => KeepAliveAsync(invoker, lease, options), cancellationToken).ConfigureAwait(false) <= 0)
            return false;
        // The lease may outlive the key: somebody may have deleted that one.
        var found = await cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).RangeAsync(new RangeRequest { Key = key }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        return found.Kvs.Count == 1 && found.Kvs[0].CreateRevision == token;
    }

    public Task ReleaseAsync(string name, long token, CancellationToken cancellationToken) => RevokeAsync(cluster, lease, cancellationToken);

    public bool IsOutage(Exception exception) => EtcdLockStore.IsAway(exception);

    /// <summary>Ends a lease of etcd's, and with it its keys.</summary>
    public static async Task RevokeAsync(EtcdCluster cluster, long lease, CancellationToken cancellationToken)
    {
        try
        {
            await cluster.CallAsync(async (invoker, options) => await new Protos.Lease.LeaseClient(invoker).LeaseRevokeAsync(new LeaseRevokeRequest { ID = lease }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.NotFound)
        {
            // It has ended.
        }
    }

    /// <summary>Extends a lease of etcd's and returns the seconds that it lasts; 0 if it has ended.</summary>
    public static async Task<long> KeepAliveAsync(CallInvoker invoker, long lease, CallOptions options)
    {
        using var call = new Protos.Lease.LeaseClient(invoker).LeaseKeepAlive(options);
        await call.RequestStream.WriteAsync(new LeaseKeepAliveRequest { ID = lease }).ConfigureAwait(false);
        var answered = await call.ResponseStream.MoveNext(options.CancellationToken).ConfigureAwait(false);
        var left = answered ? call.ResponseStream.Current.TTL : throw new RpcException(new Status(StatusCode.Unavailable, "etcd ended the call without an answer."));
        await call.RequestStream.CompleteAsync().ConfigureAwait(false);
        return left;
    }
}
