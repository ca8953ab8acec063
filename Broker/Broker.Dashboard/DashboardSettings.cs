using Broker.Dashboard.Security;

namespace Broker.Dashboard;

/// <summary>The section <c>Broker:Dashboard</c>, read and checked.</summary>
internal sealed class DashboardSettings
{
    /// <summary>The path that the dashboard is served under.</summary>
    public const string Path = "/dashboard";

    /// <summary>Who may log in with a password.</summary>
    public IReadOnlyList<DashboardUser> Users { get; init; } = [];

    /// <summary>Where people log in instead; null: nowhere else.</summary>
    public OidcSettings? Oidc { get; init; }

    /// <summary>Whether anybody may come in.</summary>
    public bool IsOpenToSomebody => Users.Count > 0 || Oidc is not null;

    /// <summary>What nobody may see of bodies.</summary>
    public IReadOnlyList<MaskPath> Mask { get; init; } = [];

    /// <summary>Where the keys are that sign sessions and tokens, so that they outlive the process and several workers share them; null: in memory.</summary>
    public string? KeyFolder { get; init; }
}
