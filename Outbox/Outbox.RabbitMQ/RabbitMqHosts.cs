using System.Globalization;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>The nodes of a broker. Each try to connect asks them one after the other, in an order by chance: clients spread over them, and one that is down costs the next one's turn only.</summary>
internal sealed class RabbitMqHosts : IEndpointResolver
{
    private readonly AmqpTcpEndpoint[] _nodes;

    private RabbitMqHosts(AmqpTcpEndpoint[] nodes) => _nodes = nodes;

    public IReadOnlyList<AmqpTcpEndpoint> Nodes => _nodes;

    /// <summary>Reads <see cref="RabbitMqOptions.Hosts"/>; without it the host of the URI is the only one.</summary>
    /// <exception cref="OutboxConfigurationException">An entry is no <c>host:port</c>.</exception>
    public static RabbitMqHosts Of(RabbitMqOptions options)
    {
        var uri = options.Uri!;
        var isTls = uri.Scheme == "amqps";
        var standard = uri.Port > 0 ? uri.Port : isTls ? 5671 : 5672;
        var names = string.IsNullOrWhiteSpace(options.Hosts)
            ? [(uri.Host, standard)]
            : options.Hosts.Split(',', StringSplitOptions.TrimEntries).Select(entry => Parse(entry, standard)).ToArray();
        return new RabbitMqHosts([.. names.Select(n => new AmqpTcpEndpoint(n.Item1, n.Item2, new SslOption { Enabled = isTls, ServerName = n.Item1 }))]);
    }

    public IEnumerable<AmqpTcpEndpoint> All()
    {
        var nodes = _nodes.ToArray();
        Random.Shared.Shuffle(nodes);
        return nodes;
    }

    /// <summary>For messages: <c>a:5672, b:5672</c>.</summary>
    public override string ToString() => string.Join(", ", _nodes.Select(n => string.Create(CultureInfo.InvariantCulture, $"{n.HostName}:{n.Port}")));

    private static (string Host, int Port) Parse(string entry, int standard)
    {
        // What Uri makes of it: names, IPv4, and IPv6 in brackets; anything behind the port would be a mistake.
        if (entry.Length > 0 && !entry.AsSpan().ContainsAny("/@?# ") && Uri.TryCreate($"amqp://{entry}", UriKind.Absolute, out var node) && node.Host.Length > 0 && node.Port != 0 && !entry.EndsWith(':'))
            return (node.Host, node.Port > 0 ? node.Port : standard);
        throw new OutboxConfigurationException($"RabbitMQ: Hosts holds '{Quoted(entry)}'. It must look like 'rabbit-1:5672, rabbit-2:5672, rabbit-3:5672'; user, password and virtual host belong into the Uri.");
    }

    /// <summary>Who puts a whole URI here has put a password here.</summary>
    private static string Quoted(string entry) => entry.Contains('@', StringComparison.Ordinal) ? "…" + entry[entry.LastIndexOf('@')..] : entry;
}
