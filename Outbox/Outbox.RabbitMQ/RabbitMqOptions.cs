using System.ComponentModel.DataAnnotations;

namespace Outbox.RabbitMQ;

/// <summary>Settings of the RabbitMQ transport.</summary>
public sealed class RabbitMqOptions
{
    /// <summary>Where the broker is: <c>amqp://user:password@host:5672/vhost</c>, or <c>amqps://</c> for TLS. Never logged.</summary>
    [Required]
    public Uri? Uri { get; set; }

    /// <summary>The nodes of a cluster: <c>rabbit-1:5672, rabbit-2:5672, rabbit-3:5672</c>. Each try to connect asks them in an order by chance until one answers.</summary>
    /// <value>Default: <see langword="null"/>, the host of <see cref="Uri"/> alone.</value>
    /// <remarks>They replace the host of <see cref="Uri"/>; user, password, virtual host and TLS are still its. A node without a port has the one of <see cref="Uri"/>.</remarks>
    public string? Hosts { get; set; }

    /// <summary>What is done about exchanges and queues before they are used.</summary>
    /// <value>Default: <see cref="TopologyMode.Declare"/>.</value>
    public TopologyMode Topology { get; set; } = TopologyMode.Declare;

    /// <summary>Largest body that is sent; a larger one is refused here, because the broker would answer it by closing the channel for all others.</summary>
    /// <value>Default: 16 MiB, RabbitMQ 4's own default (3.x takes 128 MiB).</value>
    [Range(1, 512 * 1024 * 1024)]
    public int MaxMessageBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>Whether messages carry the header by which consumers with <see cref="Outbox.Consumers.ConsumerOptions.Partitions"/> spread them over their queues.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    /// <remarks>
    /// Switch it on in all relays of the sources before the first consumer gets partitions, and leave it on: what comes without the header goes to the first queue, and a key that comes with and without it loses its order.
    /// Measured: it takes up to a tenth off the rate of small messages, because RabbitMQ pays for each header.
    /// </remarks>
    public bool PartitionSlots { get; set; }

    /// <summary>The name shown for the connections in RabbitMQ's management.</summary>
    /// <value>Default: <c>outbox</c>.</value>
    [Required]
    public string ClientName { get; set; } = "outbox";

    /// <summary>How long one try to connect may take.</summary>
    /// <value>Default: 5 seconds.</value>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a silent connection is checked; it counts as lost after two missed beats.</summary>
    /// <value>Default: 10 seconds.</value>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(10);

    internal void Validate()
    {
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(this, new ValidationContext(this), results, validateAllProperties: true);
        if (Uri is { } uri && (!uri.IsAbsoluteUri || uri.Scheme is not ("amqp" or "amqps") || uri.Host.Length == 0))
            results.Add(new ValidationResult("The RabbitMQ URI must look like amqp://user:password@host:5672/vhost (or amqps://)."));
        if (results.Count > 0)
            throw new OutboxConfigurationException($"RabbitMQ: {string.Join(" ", results.Select(r => r.ErrorMessage))}");
        RabbitMqHosts.Of(this);
    }

    /// <summary>Reads a URI from configuration.</summary>
    /// <exception cref="OutboxConfigurationException">It is no AMQP URI. The message does not quote it: it may hold a password.</exception>
    public static Uri ParseUri(string? uri) =>
        Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && parsed.Scheme is "amqp" or "amqps" && parsed.Host.Length > 0 && parsed.Port != 0
            ? parsed
            : throw new OutboxConfigurationException("The RabbitMQ URI is missing or not valid. It must look like amqp://user:password@host:5672/vhost (or amqps://), with a port from 1 to 65535 and special characters of the password percent-encoded.");
}
