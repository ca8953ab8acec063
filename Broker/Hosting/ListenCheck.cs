using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Outbox;

namespace Broker.Hosting;

/// <summary>Tries the addresses to listen on before anything starts, so that an occupied one is told in one line and no relay begins for nothing.</summary>
internal static class ListenCheck
{
    /// <exception cref="OutboxConfigurationException">One of them cannot be listened on.</exception>
    public static void Run(IEnumerable<string> urls)
    {
        foreach (var url in urls)
        {
            var address = BindingAddress.Parse(url);
            var ip = address.Host is "localhost" ? IPAddress.Loopback : IPAddress.TryParse(address.Host, out var given) ? given : IPAddress.Any;
            try
            {
                using var listener = new TcpListener(ip, address.Port);
                listener.Start();
            }
            catch (SocketException exception)
            {
                var why = exception.SocketErrorCode switch
                {
                    SocketError.AddressAlreadyInUse => "another program listens there already",
                    SocketError.AccessDenied => "this user may not listen on that port",
                    SocketError.AddressNotAvailable => "this machine has no such address",
                    _ => exception.Message,
                };
                throw new OutboxConfigurationException($"The worker cannot listen on '{url}': {why}. Choose another address with --urls or Broker:Http:Urls, for example 'http://localhost:{(address.Port < 65_535 ? Math.Max(address.Port, 8_080) + 1 : 8_080)}'.", exception);
            }
        }
    }
}
