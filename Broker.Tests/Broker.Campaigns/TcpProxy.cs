using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Broker.Campaigns;

/// <summary>Stands between a client and its server, to lose what the network can lose.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly string _host;
    private readonly int _port;
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Socket, bool> _sockets = new();
    private readonly Task _accepting;
    private TaskCompletionSource _toClient = Open();
    private TaskCompletionSource _toServer = Open();
    private volatile bool _dropReplies;
    private volatile bool _refuse;

    private TcpProxy(string host, int port, int listenOn)
    {
        (_host, _port) = (host, port);
        _listener = new TcpListener(IPAddress.Loopback, listenOn);
        _listener.Start();
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Where clients connect to.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>A proxy before a server.</summary>
    /// <param name="host">The server.</param>
    /// <param name="port">Its port.</param>
    /// <param name="listenOn">The port for clients; 0 for any.</param>
    public static TcpProxy To(string host, int port, int listenOn = 0) => new(host, port, listenOn);

    /// <summary>A proxy before the server of a URI, and the URI that leads through it.</summary>
    public static (TcpProxy Proxy, string Uri) Before(string uri)
    {
        var target = new Uri(uri);
        var proxy = To(target.Host, target.Port > 0 ? target.Port : 5672);
        return (proxy, new UriBuilder(target) { Host = "127.0.0.1", Port = proxy.Port }.Uri.ToString());
    }

    /// <summary>Holds back what the server sends, from now on until <see cref="Resume"/>.</summary>
    public void StallReplies() => _toClient = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Holds back both directions until <see cref="Resume"/>.</summary>
    public void Stall()
    {
        StallReplies();
        _toServer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Throws away what the server sends, until <see cref="Resume"/>.</summary>
    public void DropReplies() => _dropReplies = true;

    /// <summary>Closes every connection. New ones are taken, unless told to refuse them until <see cref="Resume"/>.</summary>
    public void Cut(bool refuse = false)
    {
        _refuse = refuse;
        foreach (var socket in _sockets.Keys)
            socket.Dispose();
        _sockets.Clear();
    }

    /// <summary>Lets everything flow again.</summary>
    public void Resume()
    {
        (_dropReplies, _refuse) = (false, false);
        _toClient.TrySetResult();
        _toServer.TrySetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        Cut();
        Resume();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _stop.Dispose();
    }

    private static TaskCompletionSource Open()
    {
        var open = new TaskCompletionSource();
        open.SetResult();
        return open;
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptSocketAsync(_stop.Token);
            if (_refuse)
                client.Dispose();
            else
                _ = ConnectAsync(client);
        }
    }

    private async Task ConnectAsync(Socket client)
    {
        var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        _sockets.TryAdd(client, true);
        _sockets.TryAdd(server, true);
        try
        {
            (client.NoDelay, server.NoDelay) = (true, true);
            await server.ConnectAsync(_host, _port, _stop.Token);
            await Task.WhenAny(PumpAsync(client, server, isReply: false), PumpAsync(server, client, isReply: true));
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Cut.
        }
        finally
        {
            foreach (var socket in (Socket[])[client, server])
            {
                _sockets.TryRemove(socket, out _);
                socket.Dispose();
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool isReply)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                var read = await from.ReceiveAsync(buffer, SocketFlags.None, _stop.Token);
                if (read == 0)
                    return;
                await (isReply ? _toClient : _toServer).Task.WaitAsync(_stop.Token);
                if (isReply && _dropReplies)
                    continue;
                for (var sent = 0; sent < read;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), SocketFlags.None, _stop.Token);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Cut.
        }
    }
}
