using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Broker.Tests.Support;

/// <summary>Ports for servers that start later, or again. This process keeps each one to itself until it ends.</summary>
/// <remarks>They lie below 32768: from there on Linux gives ports to outgoing connections, so that one found free a moment ago may be somebody's by the time a server wants it.</remarks>
internal static class TestPort
{
    // Below those of docker/servers.sh.
    private const int First = 20_000;
    private const int Count = 7_000;

    private static readonly string Folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), $"broker-test-ports-{Environment.UserName}")).FullName;
    private static readonly List<FileStream> Kept = [];

    /// <summary>A port on loopback that nobody listens on and no other test run on this machine uses.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public static int Next()
    {
        lock (Kept)
        {
            var start = Random.Shared.Next(Count);
            for (var tried = 0; tried < Count; tried++)
            {
                var port = First + (start + tried) % Count;
                if (IsFree(port) && TryKeep(port))
                    return port;
            }
        }
        throw new InvalidOperationException($"No port from {First} to {First + Count - 1} is free.");
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static bool TryKeep(int port)
    {
        try
        {
            Kept.Add(new FileStream(Path.Combine(Folder, port.ToString(CultureInfo.InvariantCulture)), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
