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

    /// <summary>The coordinators of transactions over several of the sources.</summary>
    public IReadOnlyList<CoordinatorSettings> Coordinators { get; init; } = [];

    /// <summary>Settings of every source's relay.</summary>
    public required RelayOptions Relay { get; init; }

    /// <summary>The section about RabbitMQ as it was written, to see whether it has changed. Never logged.</summary>
    public string RabbitMqText { get; init; } = "";
}

/// <summary>One source: a service's database.</summary>
/// <param name="Name">Its name; it travels with each message.</param>
/// <param name="Dialect">Its engine.</param>
/// <param name="ConnectionString">How to reach it. Never logged.</param>
/// <param name="Exchange">The exchange that its events go to.</param>
/// <param name="Relay">Settings of its relay: those of all sources, and its own before them.</param>
/// <param name="Doorbell">Whether its relay hears the doorbell.</param>
/// <param name="Notify">Whether its database wakes its relay.</param>
/// <param name="Text">All that was written about it. Two settings are equal when this is. Never logged.</param>
internal sealed record SourceSettings(string Name, SqlDialect Dialect, string ConnectionString, string Exchange, RelayOptions Relay, bool Doorbell, bool Notify, string Text)
{
    public bool Equals(SourceSettings? other) => other is not null && (Name, Dialect, Exchange, Doorbell, Text) == (other.Name, other.Dialect, other.Exchange, other.Doorbell, other.Text);

    public override int GetHashCode() => HashCode.Combine(Name, Text);
}
