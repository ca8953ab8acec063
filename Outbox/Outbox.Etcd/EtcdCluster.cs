using Grpc.Core;
using Grpc.Net.Client;

namespace Outbox.Etcd;

/// <summary>The nodes of an etcd cluster: a call goes to one of them, and to the next when that one is away or has no leader.</summary>
/// <remarks>A call may have been carried out although its node did not answer, and is then made once more: callers bear that.</remarks>
internal sealed class EtcdCluster : IDisposable
{
    /// <summary>For one node to answer. An election takes about a second.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly GrpcChannel[] _nodes;
    private readonly TimeProvider _time;
    private int _current;

    public EtcdCluster(IEnumerable<string> endpoints, Action<SocketsHttpHandler>? configure, TimeProvider time)
    {
        _time = time;
        _nodes =
        [
            .. Read(endpoints).Select(endpoint =>
            {
                var handler = new SocketsHttpHandler { ConnectTimeout = Patience, EnableMultipleHttp2Connections = true, KeepAlivePingDelay = TimeSpan.FromSeconds(10), KeepAlivePingTimeout = TimeSpan.FromSeconds(5) };
                configure?.Invoke(handler);
                return GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
            }),
        ];
    }

    /// <summary>Checks endpoints.</summary>
    public static IReadOnlyList<Uri> Read(IEnumerable<string> endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var found = endpoints.Select(e => Uri.TryCreate(e, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new OutboxConfigurationException($"'{e}' is no endpoint of etcd. A good one is 'https://etcd-1:2379'.")).ToList();
        return found.Count > 0 ? found : throw new OutboxConfigurationException("No endpoint of etcd is given. A good one is 'https://etcd-1:2379'.");
    }

    /// <summary>Makes a call, at two rounds of the nodes.</summary>
    public async Task<T> CallAsync<T>(Func<CallInvoker, CallOptions, Task<T>> callAsync, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            var node = Volatile.Read(ref _current);
            try
            {
                return await callAsync(_nodes[node].CreateCallInvoker(), new CallOptions(deadline: TimeProvider.System.GetUtcNow().UtcDateTime + Patience, cancellationToken: cancellationToken)).ConfigureAwait(false);
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.Cancelled && cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(exception.Message, exception, cancellationToken);
            }
            catch (RpcException exception) when (IsAway(exception) && tries < 2 * _nodes.Length)
            {
                Leave(node);
                if (tries >= _nodes.Length)
                    await Task.Delay(Pause, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A node for a call that lasts, and a way to tell that it is no good.</summary>
    public (CallInvoker Invoker, Action Leave) Node()
    {
        var node = Volatile.Read(ref _current);
        return (_nodes[node].CreateCallInvoker(), () => Leave(node));
    }

    public void Dispose()
    {
        foreach (var node in _nodes)
            node.Dispose();
    }

    private static bool IsAway(RpcException exception) =>
        // "etcdserver: leader changed", "no leader", "request timed out" come as Unavailable; a dying node's answers are of any of these.
        exception.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Unknown or StatusCode.Cancelled;

    private void Leave(int node) => Interlocked.CompareExchange(ref _current, (node + 1) % _nodes.Length, node);
}
