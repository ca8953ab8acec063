using Microsoft.Extensions.Diagnostics.HealthChecks;
using Outbox.Diagnostics;
using Outbox.Health;
using Outbox.Transport;

namespace Outbox.Consumers;

/// <summary>How a consumer stands, and what it tells of its messages: for metrics and health. Thread-safe.</summary>
internal sealed class ConsumerState(ConsumerOptions options, ITransport transport, TimeProvider time) : IHealthReporter
{
    private readonly KeyValuePair<string, object?> _consumer = new("consumer", options.Name);
    private readonly KeyValuePair<string, object?>[] _delivered =
    [
        new("consumer", options.Name), new(OutboxTracing.System, ITransportState.SystemOf(transport)), new(OutboxTracing.OperationName, "deliver"), new(OutboxTracing.OperationType, "receive"), new(OutboxTracing.Destination, options.Queue),
    ];

    private Standing _standing = new("starting", HealthStatus.Healthy, "", time.GetTimestamp());

    private sealed record Standing(string State, HealthStatus Status, string Reason, long Since);

    /// <summary>Its gauge is shown until the result is disposed of.</summary>
    public IDisposable Run() => OutboxGauges.Add(() => new ConsumerReading(options.Name, Volatile.Read(ref _standing).State == "reading"));

    /// <summary>It reads its queue.</summary>
    public void Reading() => Become("reading", HealthStatus.Healthy, "");

    /// <summary>It waits until its database is back.</summary>
    public void DatabaseAway(string reason) => Become("database away", HealthStatus.Degraded, $"It reads nothing until its database takes writes again. {reason}");

    /// <summary>It waits until the tables, or the queues, are as it needs them.</summary>
    public void Unfit(string reason) => Become("unfit", HealthStatus.Degraded, reason);

    /// <summary>It has ended.</summary>
    /// <param name="isAsked">Whether because the service ends.</param>
    public void Stopped(bool isAsked) => Become("stopped", HealthStatus.Unhealthy, isAsked ? "The service is stopping." : "It has ended with an error: see the log.");

    /// <summary>A delivery has come.</summary>
    public void Delivered() => OutboxMetrics.Consumed.Add(1, _delivered);

    /// <summary>Messages are handled in one transaction.</summary>
    public void Together(int count)
    {
        if (count > 0)
            OutboxMetrics.ConsumerBatchSize.Record(count, _consumer);
    }

    /// <summary>A message's effects are committed.</summary>
    public void Applied(IncomingMessage incoming)
    {
        if (OutboxMetrics.ConsumerLag.Enabled && incoming.WrittenAt is { } written)
            OutboxMetrics.ConsumerLag.Record(Math.Max(0, (time.GetUtcNow() - written).TotalSeconds), _consumer);
    }

    /// <summary>A message was put off.</summary>
    public void Deferred(string reason) => OutboxMetrics.Deferred.Add(1, _consumer, new("reason", reason));

    public HealthFinding Report()
    {
        var (part, standing) = ($"consumer/{options.Name}", Volatile.Read(ref _standing));
        var details = new Dictionary<string, object> { ["secondsInState"] = Math.Round(time.GetElapsedTime(standing.Since).TotalSeconds, 1), ["queue"] = options.Queue };
        if (standing.State is "starting" or "reading" && transport is ITransportState { Consuming: { Condition: TransportCondition.Away } away })
            return new HealthFinding(part, "broker away", HealthStatus.Degraded, $"Nothing is delivered until RabbitMQ is back; what was deferred is tried on. {away.Reason}", details);
        var reason = standing.State switch
        {
            "starting" => "It has not begun to read its queue.",
            "reading" => $"It reads queue '{options.Queue}'.",
            _ => standing.Reason,
        };
        return new HealthFinding(part, standing.State, standing.Status, reason, details);
    }

    private void Become(string state, HealthStatus status, string reason)
    {
        var before = Volatile.Read(ref _standing);
        Volatile.Write(ref _standing, new Standing(state, status, reason, before.State == state ? before.Since : time.GetTimestamp()));
    }
}
