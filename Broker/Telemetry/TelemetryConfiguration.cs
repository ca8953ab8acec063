using Microsoft.Extensions.Configuration;
using OpenTelemetry.Exporter;
using Outbox;

namespace Broker.Telemetry;

/// <summary>Reads <c>Broker:Telemetry</c>, and what OpenTelemetry's own variables say where it is silent.</summary>
internal static class TelemetryConfiguration
{
    /// <summary>Reads and checks it.</summary>
    public static TelemetrySettings Read(IConfiguration configuration)
    {
        var section = configuration.GetSection("Broker:Telemetry");
        BrokerConfiguration.RefuseUnknown(section, "Prometheus", "OtlpEndpoint", "OtlpProtocol");
        var (endpointKey, endpoint) = Setting(section, "OtlpEndpoint", configuration, "OTEL_EXPORTER_OTLP_ENDPOINT");
        var (protocolKey, protocol) = Setting(section, "OtlpProtocol", configuration, "OTEL_EXPORTER_OTLP_PROTOCOL");
        return new TelemetrySettings
        {
            Prometheus = BrokerConfiguration.ReadSwitch(section, "Prometheus") ?? true,
            OtlpEndpoint = endpoint is null ? null : Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0 ? uri
                : throw new OutboxConfigurationException($"{endpointKey} is no address of a collector. It looks like 'http://localhost:4317', or 'http://localhost:4318' with http/protobuf; credentials go into OTEL_EXPORTER_OTLP_HEADERS."),
            OtlpProtocol = protocol switch
            {
                null or "grpc" => OtlpExportProtocol.Grpc,
                "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
                _ => throw new OutboxConfigurationException($"{protocolKey} is '{protocol}'. Use grpc or http/protobuf."),
            },
        };
    }

    private static (string Key, string? Value) Setting(IConfigurationSection section, string key, IConfiguration configuration, string variable) =>
        section[key] is { Length: > 0 } own ? ($"{section.Path}:{key}", own) : (variable, configuration[variable] is { Length: > 0 } value ? value : null);
}
