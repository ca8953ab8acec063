using System.Net.Sockets;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>The client library's TCP client with a <see cref="GatheringStream"/>.</summary>
internal sealed class GatheringClient(Socket socket) : TcpClientAdapter(socket)
{
    private readonly Socket _socket = socket;

    public static ITcpClient Create(AddressFamily family) => new GatheringClient(new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });

    public override NetworkStream GetStream() => new GatheringStream(_socket);
}
