using Outbox.TwoPhaseCommit;

namespace Broker.Dashboard;

/// <summary>The coordinators of transactions over several sources, as the worker's configuration has them.</summary>
internal interface IDashboardCoordinators
{
    /// <summary>The coordinators in the order of the configuration.</summary>
    IReadOnlyList<Coordination> Current { get; }
}
