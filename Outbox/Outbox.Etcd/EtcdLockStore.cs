using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using Outbox.Diagnostics;
using Outbox.Etcd.Protos;
using Outbox.Locks;
using Lease = Outbox.Locks.Lease;

namespace Outbox.Etcd;

/// <summary>Locks as keys of etcd: whoever creates the key holds the lock, and the revision of its creation, which rises with every write in the cluster, is the token.</summary>
/// <remarks>
/// A lease of etcd's comes first, then the key with it: whoever dies between them leaves a lease without a key, which runs out. A transaction whose answer is lost is made again and finds its own key, by its lease.
/// Waiting for a lock is a watch on its key; a process shows that it waits by a key <c>prefix/wait/name/lease</c>.
/// </remarks>
internal sealed class EtcdLockStore(EtcdCluster cluster, string prefix, TimeProvider time) : ILockStore
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(3);

    private string Locks => prefix + "/lock/";

    private string Waits => prefix + "/wait/";

    public string Provider => "etcd";

    public string FenceOf(string name) => "etcd/" + name;

    public async Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        var key = ByteString.CopyFromUtf8(Locks + name);
        var lease = await GrantAsync(cluster, duration, cancellationToken).ConfigureAwait(false);
        var request = new TxnRequest
        {
            Compare = { new Compare { Key = key, Target = Compare.Types.CompareTarget.Create, Result = Compare.Types.CompareResult.Equal, CreateRevision = 0 } },
            Success = { new RequestOp { RequestPut = new PutRequest { Key = key, Lease = lease, Value = ByteString.CopyFromUtf8(string.Create(CultureInfo.InvariantCulture, $"{time.GetUtcNow().ToUnixTimeMilliseconds()} {owner}")) } } },
            Failure = { new RequestOp { RequestRange = new RangeRequest { Key = key } } },
        };
        var answer = await cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).TxnAsync(request, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        var token = answer.Succeeded ? answer.Header.Revision : answer.Responses[0].ResponseRange.Kvs.FirstOrDefault(kv => kv.Lease == lease)?.CreateRevision;
        if (token is { } mine)
            return new Lease(new EtcdHold(cluster, key, lease), name, mine, duration, asked, time);
        _ = GiveBackAsync(lease);
        return null;
    }

    // What a holder does goes by its own lease: see EtcdHold.
    public Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task ReleaseAsync(string name, long token, CancellationToken cancellationToken) => Task.CompletedTask;

    public bool IsOutage(Exception exception) => IsAway(exception);

    public Task<IAsyncDisposable> ListenAsync(string name, string owner, Action released, CancellationToken cancellationToken) =>
        Task.FromResult<IAsyncDisposable>(new EtcdWatch(cluster, ByteString.CopyFromUtf8(Locks + name), $"{Waits}{name}/", owner, released, time));

    // The watch tells; this is for a watch that is broken.
    public TimeSpan PauseAfter(int attempt) => Backoff.Delay(1, Pause, Pause);

    public async Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken)
    {
        var waiters = (await RangeAsync(Waits, cancellationToken).ConfigureAwait(false))
            .Select(kv => kv.Key.ToStringUtf8()[Waits.Length..]).CountBy(w => w[..w.LastIndexOf('/')], StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        var found = new List<LockStanding>();
        foreach (var kv in await RangeAsync(Locks, cancellationToken).ConfigureAwait(false))
        {
            var name = kv.Key.ToStringUtf8()[Locks.Length..];
            var left = await cluster.CallAsync(async (invoker, options) => await new Protos.Lease.LeaseClient(invoker).LeaseTimeToLiveAsync(new LeaseTimeToLiveRequest { ID = kv.Lease }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            var value = kv.Value.ToStringUtf8().Split(' ', 2);
            var since = long.TryParse(value[0], NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime : (DateTime?)null;
            found.Add(new LockStanding(name, value[^1], kv.CreateRevision, since, TimeSpan.FromSeconds(Math.Max(0, left.TTL)), waiters.GetValueOrDefault(name)));
        }
        return found;
    }

    public async Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken)
    {
        var key = ByteString.CopyFromUtf8(Locks + name);
        var found = await cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).RangeAsync(new RangeRequest { Key = key }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        if (found.Kvs.Count == 0)
            return false;
        // With the lease, or its holder would keep it alive for nothing. Should the lock have another holder by now, that one has another lease.
        if (found.Kvs[0].Lease != 0)
            await EtcdHold.RevokeAsync(cluster, found.Kvs[0].Lease, cancellationToken).ConfigureAwait(false);
        else
            await cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).DeleteRangeAsync(new DeleteRangeRequest { Key = key }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        return true;
    }

    internal static bool IsAway(Exception exception) => exception is RpcException or HttpRequestException or IOException or TimeoutException or ObjectDisposedException;

    internal static async Task<long> GrantAsync(EtcdCluster cluster, TimeSpan duration, CancellationToken cancellationToken) => (await cluster.CallAsync(
        async (invoker, options) => await new Protos.Lease.LeaseClient(invoker).LeaseGrantAsync(new LeaseGrantRequest { TTL = (long)Math.Ceiling(duration.TotalSeconds) }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false)).ID;

    private async Task<IReadOnlyList<KeyValue>> RangeAsync(string from, CancellationToken cancellationToken)
    {
        // Up to, and without, the next prefix: '0' follows '/'.
        var request = new RangeRequest { Key = ByteString.CopyFromUtf8(from), RangeEnd = ByteString.CopyFromUtf8(from[..^1] + "0") };
        return (await cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).RangeAsync(request, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false)).Kvs;
    }

    private async Task GiveBackAsync(long lease)
    {
        try
        {
            await EtcdHold.RevokeAsync(cluster, lease, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsAway(exception))
        {
            // It runs out.
        }
    }
}
