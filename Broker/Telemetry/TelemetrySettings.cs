using OpenTelemetry.Exporter;

namespace Broker.Telemetry;

/// <summary>What the worker tells of itself, and where to.</summary>
internal sealed record TelemetrySettings
{
    /// <summary>Whether <c>/metrics</c> is served, where the worker listens.</summary>
    public bool Prometheus { get; init; } = true;

    /// <summary>Where metrics and traces are sent to; null: nowhere.</summary>
    public Uri? OtlpEndpoint { get; init; }

    /// <summary>How they are sent.</summary>
    public OtlpExportProtocol OtlpProtocol { get; init; } = OtlpExportProtocol.Grpc;
}
