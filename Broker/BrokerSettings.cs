using Broker.Relay;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker;

/// <summary>The worker's configuration, read and checked.</summary>
internal sealed class BrokerSettings
{
    /// <summary>Where the sources' events go; null if only databases are worked on.</summary>
    public required RabbitMqOptions? RabbitMq { get; init; }

    /// <summary>The databases whose outboxes are relayed.</summary>
    public required IReadOnlyList<SourceSettings> Sources { get; init; }

    /// <summary>Settings of every source's relay.</summary>
    public required RelayOptions Relay { get; init; }
}

/// <summary>One source: a service's database.</summary>
/// <param name="Name">Its name; it travels with each message.</param>
/// <param name="Dialect">Its engine.</param>
/// <param name="ConnectionString">How to reach it. Never logged.</param>
/// <param name="Exchange">The exchange that its events go to.</param>
internal sealed record SourceSettings(string Name, SqlDialect Dialect, string ConnectionString, string Exchange);
