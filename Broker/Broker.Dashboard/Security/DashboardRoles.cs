namespace Broker.Dashboard.Security;

/// <summary>What people may do. Who has neither role sees nothing.</summary>
internal static class DashboardRoles
{
    /// <summary>Sees everything and may act.</summary>
    public const string Operator = nameof(Operator);

    /// <summary>Sees everything and changes nothing.</summary>
    public const string ReadOnly = nameof(ReadOnly);

    /// <summary>The policy of the whole dashboard: one of the roles.</summary>
    public const string Policy = "Broker.Dashboard";
}
