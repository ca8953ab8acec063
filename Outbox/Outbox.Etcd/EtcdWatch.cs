using Google.Protobuf;
using Grpc.Core;
using Outbox.Etcd.Protos;

namespace Outbox.Etcd;

/// <summary>Hears when a lock's key is deleted, and shows that this process waits for it.</summary>
internal sealed class EtcdWatch : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Shown = TimeSpan.FromSeconds(30);

    private readonly EtcdCluster _cluster;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _ended;

    public EtcdWatch(EtcdCluster cluster, ByteString key, string waits, string owner, Action released, TimeProvider time)
    {
        (_cluster, _time) = (cluster, time);
        _ended = Task.WhenAll(WatchAsync(key, released), ShowAsync(waits, owner));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task WatchAsync(ByteString key, Action released)
    {
        while (!_stop.IsCancellationRequested)
        {
            var (invoker, leave) = _cluster.Node();
            try
            {
                using var call = new Watch.WatchClient(invoker).Watch(new CallOptions(cancellationToken: _stop.Token));
                await call.RequestStream.WriteAsync(new WatchRequest { CreateRequest = new WatchCreateRequest { Key = key } }).ConfigureAwait(false);
                while (await call.ResponseStream.MoveNext(_stop.Token).ConfigureAwait(false))
                {
                    // From its creation on, nothing is missed: whoever waits looks once more then.
                    if (call.ResponseStream.Current is { } heard && (heard.Created || heard.Events.Any(e => e.Type == Event.Types.EventType.Delete)))
                        released();
                }
            }
            catch (Exception exception) when (EtcdLockStore.IsAway(exception) || exception is OperationCanceledException or InvalidOperationException)
            {
                if (_stop.IsCancellationRequested)
                    return;
            }
            leave();
            await Task.Delay(Patience, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>After a second: a short wait costs nothing.</summary>
    private async Task ShowAsync(string waits, string owner)
    {
        long lease = 0;
        try
        {
            await Task.Delay(Patience, _time, _stop.Token).ConfigureAwait(false);
            lease = await EtcdLockStore.GrantAsync(_cluster, Shown, _stop.Token).ConfigureAwait(false);
            var put = new PutRequest { Key = ByteString.CopyFromUtf8(waits + lease.ToString("x", System.Globalization.CultureInfo.InvariantCulture)), Lease = lease, Value = ByteString.CopyFromUtf8(owner) };
            await _cluster.CallAsync(async (invoker, options) => await new KV.KVClient(invoker).TxnAsync(new TxnRequest { Success = { new RequestOp { RequestPut = put } } }, options).ConfigureAwait(false), _stop.Token).ConfigureAwait(false);
            while (true)
            {
                await Task.Delay(Shown / 3, _time, _stop.Token).ConfigureAwait(false);
                await _cluster.CallAsync((invoker, options) => EtcdHold.KeepAliveAsync(invoker, lease, options), _stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (EtcdLockStore.IsAway(exception) || exception is OperationCanceledException)
        {
            // It is for people only. What stays runs out.
        }
        if (lease == 0)
            return;
        try
        {
            await EtcdHold.RevokeAsync(_cluster, lease, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (EtcdLockStore.IsAway(exception))
        {
            // The same.
        }
    }
}
