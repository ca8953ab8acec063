using Broker.Dashboard;
using Broker.Dashboard.Jobs;

namespace Broker.Hosting;

/// <summary>How the worker is hosted: its roles, where it listens, and its dashboard.</summary>
internal sealed class HostSettings
{
    /// <summary>Where it listens when nothing is said.</summary>
    public const string DefaultUrl = "http://localhost:8080";

    /// <summary>What it does.</summary>
    public required WorkerRoles Roles { get; init; }

    /// <summary>Where it listens; empty: nowhere. Without the dashboard it listens only where it is told to.</summary>
    public required IReadOnlyList<string> Urls { get; init; }

    /// <summary>Its dashboard.</summary>
    public required DashboardSettings Dashboard { get; init; }

    /// <summary>The jobs and where they are kept.</summary>
    public required JobsSettings Jobs { get; init; }

    /// <summary>Proxies whose word on the sender's address, scheme and host is taken; nobody else's is.</summary>
    public required IReadOnlyList<System.Net.IPNetwork> Proxies { get; init; }
}
