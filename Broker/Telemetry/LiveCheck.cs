using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Broker.Telemetry;

/// <summary>Whether the process works: it answers, and no relay's loop stands still. Nothing outside of the process plays a part, because a restart would not mend that.</summary>
internal sealed class LiveCheck(IServiceProvider services) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var hung = services.GetService<RelaySources>()?.Current.Where(s => new SourceHealth(s).IsHung).Select(s => s.Name).ToList() ?? [];
        return Task.FromResult(hung.Count == 0
            ? HealthCheckResult.Healthy("The process works.")
            : HealthCheckResult.Unhealthy($"The relays of these sources stand still: {string.Join(", ", hung)}. Start the process again, and keep its log."));
    }
}
