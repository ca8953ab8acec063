using Broker.Dashboard;
using Microsoft.Extensions.Logging;
using Outbox.TwoPhaseCommit;

namespace Broker.Hosting;

/// <summary>The coordinators for the dashboard and the jobs, over the sources' own pools. Made anew when a reload has changed the sources. Thread-safe.</summary>
internal sealed class DashboardCoordinators(BrokerSettings settings, IDashboardSources sources, TimeProvider time, ILogger<DashboardCoordinators> logger) : IDashboardCoordinators
{
    private readonly Lock _gate = new();
    private IReadOnlyList<DashboardSource> _sources = [];
    private IReadOnlyList<Coordination> _current = [];

    public IReadOnlyList<Coordination> Current
    {
        get
        {
            var now = sources.Current;
            lock (_gate)
            {
                if (!_sources.SequenceEqual(now))
                {
                    // One whose source a reload has taken away is not shown until the next start.
                    _current = [.. settings.Coordinators.Where(c => c.Participants.All(p => now.Any(s => s.Name == p))).Select(c => Coordinators.Build(c, name => now.First(s => s.Name == name).DataSource, time, logger))];
                    _sources = now;
                }
                return _current;
            }
        }
    }
}
