using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Outbox.Health;

/// <summary>How one part of an outbox stands, and why.</summary>
/// <param name="Part">The part, for example <c>consumer/stock</c> or <c>source/orders</c>.</param>
/// <param name="State">Its state in one word or two; docs/telemetry.md lists them.</param>
/// <param name="Status">What that means.</param>
/// <param name="Reason">Why, in a sentence for people.</param>
/// <param name="Details">Numbers that belong to it.</param>
internal sealed record HealthFinding(string Part, string State, HealthStatus Status, string Reason, IReadOnlyDictionary<string, object>? Details = null)
{
    /// <summary>The finding as the data of a health report.</summary>
    public IReadOnlyDictionary<string, object> ToData() =>
        new Dictionary<string, object>(Details ?? new Dictionary<string, object>(), StringComparer.Ordinal) { ["state"] = State, ["status"] = Status.ToString(), ["reason"] = Reason };
}
