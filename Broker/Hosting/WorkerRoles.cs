namespace Broker.Hosting;

/// <summary>What a worker does.</summary>
[Flags]
internal enum WorkerRoles
{
    /// <summary>Relays the sources' events.</summary>
    Relay = 1,

    /// <summary>Runs the recurring jobs.</summary>
    Jobs = 2,

    /// <summary>Serves the dashboard.</summary>
    Dashboard = 4,

    /// <summary>Everything: the default.</summary>
    All = Relay | Jobs | Dashboard,
}
