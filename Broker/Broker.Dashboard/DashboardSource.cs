using System.Data.Common;
using Broker.Relay;
using Outbox.Sql;

namespace Broker.Dashboard;

/// <summary>A source as the dashboard sees it. Its connections are a pool of their own: who looks takes none from the relay (G7).</summary>
internal sealed class DashboardSource
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its engine.</summary>
    public required SqlDialect Dialect { get; init; }

    /// <summary>Its database. Its connection string is never shown.</summary>
    public required DbDataSource DataSource { get; init; }

    /// <summary>The exchange that its events go to.</summary>
    public required string Exchange { get; init; }

    /// <summary>The settings of its relay.</summary>
    public required RelayOptions Options { get; init; }
}
