using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Outbox.Health;

/// <summary>Adds the outbox to a service's health checks.</summary>
public static class HealthChecksBuilderExtensions
{
    /// <summary>Adds a check that tells whether consumers and relays of this process work, and why not: a database that is away, tables that do not fit, a relay that is stuck.</summary>
    /// <param name="builder">The service's health checks.</param>
    /// <param name="name">Its name. Default: <c>outbox</c>.</param>
    /// <param name="tags">Tags to choose checks by. Default: none.</param>
    /// <remarks>
    /// It is never worse than <see cref="HealthStatus.Degraded"/> as long as a restart would mend nothing: an outage is waited for, and work resumes by itself.
    /// It asks neither the database nor the broker, so it can be called as often as wanted. Call it once, whatever the number of outboxes.
    /// </remarks>
    public static IHealthChecksBuilder AddOutbox(this IHealthChecksBuilder builder, string name = "outbox", IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(name, services => new OutboxHealthCheck(services.GetServices<IHealthReporter>()), failureStatus: null, tags));
    }
}
