using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Outbox.Health;

/// <summary>The health of everything that this process does with outboxes: the worst of its consumers and relays, each with its reason.</summary>
internal sealed class OutboxHealthCheck(IEnumerable<IHealthReporter> reporters) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(Of([.. reporters.Select(r => r.Report())], "No consumer and no relay runs here."));

    /// <summary>Many findings as one result.</summary>
    public static HealthCheckResult Of(IReadOnlyList<HealthFinding> findings, string nothing)
    {
        // The lower, the worse.
        var status = findings.Count == 0 ? HealthStatus.Healthy : findings.Min(f => f.Status);
        var telling = findings.Where(f => f.Status != HealthStatus.Healthy).ToList() is { Count: > 0 } troubled ? troubled : findings;
        var description = findings.Count == 0 ? nothing : string.Join(" ", telling.Select(f => $"{f.Part}: {f.State}: {f.Reason}"));
        return new HealthCheckResult(status, description, data: findings.GroupBy(f => f.Part).ToDictionary(g => g.Key, g => (object)g.First().ToData(), StringComparer.Ordinal));
    }
}
