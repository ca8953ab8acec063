using Broker.Dashboard.Security;

namespace Broker.Dashboard;

/// <summary>The section <c>Broker:Dashboard</c>, read and checked.</summary>
internal sealed class DashboardSettings
{
    /// <summary>The path that the dashboard is served under.</summary>
    public const string Path = "/dashboard";

    /// <summary>Who may log in with a password.</summary>
    public IReadOnlyList<DashboardUser> Users { get; init; } = [];
}
