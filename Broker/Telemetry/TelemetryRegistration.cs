using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Outbox.Diagnostics;

namespace Broker.Telemetry;

/// <summary>Adds metrics, traces and health to the worker. The libraries speak to .NET's own interfaces; the SDK is here alone.</summary>
internal static class TelemetryRegistration
{
    private const string Live = "live";
    private const string Ready = "ready";

    /// <summary>Adds what is wanted.</summary>
    /// <param name="services">The worker's container.</param>
    /// <param name="settings">What is wanted.</param>
    /// <param name="listens">Whether the worker has a web server.</param>
    public static void AddTelemetry(this IServiceCollection services, TelemetrySettings settings, bool listens)
    {
        if (listens)
            services.AddHealthChecks().AddCheck<LiveCheck>(Live).AddCheck<WorkerHealth>(Ready);
        var scraped = listens && settings.Prometheus;
        if (!scraped && settings.OtlpEndpoint is null)
            return;
        // What the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) wins.
        var telemetry = services.AddOpenTelemetry().ConfigureResource(resource => resource
            .Clear().AddService("broker", serviceVersion: typeof(TelemetryRegistration).Assembly.GetName().Version?.ToString(), serviceInstanceId: $"{Environment.MachineName}/{Environment.ProcessId}").AddTelemetrySdk().AddEnvironmentVariableDetector());
        telemetry.WithMetrics(metrics =>
        {
            // The runtime's own: memory, garbage collection, the thread pool.
            metrics.AddMeter(OutboxMetrics.MeterName, "System.Runtime");
            if (scraped)
                metrics.AddPrometheusExporter(prometheus => prometheus.ScrapeResponseCacheDurationMilliseconds = 1_000);
            if (settings.OtlpEndpoint is not null)
                metrics.AddOtlpExporter(otlp => Send(otlp, settings, "metrics"));
        });
        if (settings.OtlpEndpoint is not null)
            telemetry.WithTracing(traces => traces.AddSource(OutboxTracing.Source.Name).AddOtlpExporter(otlp => Send(otlp, settings, "traces")));
    }

    /// <summary>Maps the endpoints. They are for probes and scrapers, which do not sign in.</summary>
    public static void MapTelemetry(this IEndpointRouteBuilder endpoints, TelemetrySettings settings)
    {
        Map(endpoints, "/health/live", Live, degraded: StatusCodes.Status200OK);
        // A restart, or another process, would not mend what is degraded: see docs/telemetry.md.
        Map(endpoints, "/health/ready", Ready, degraded: StatusCodes.Status200OK);
        Map(endpoints, "/health", Ready, degraded: StatusCodes.Status503ServiceUnavailable);
        if (settings.Prometheus)
            endpoints.MapPrometheusScrapingEndpoint("/metrics").AllowAnonymous();
    }

    private static void Map(IEndpointRouteBuilder endpoints, string path, string check, int degraded) => endpoints.MapHealthChecks(path, new HealthCheckOptions
    {
        Predicate = registration => registration.Name == check,
        ResponseWriter = HealthReportWriter.WriteAsync,
        ResultStatusCodes = { [HealthStatus.Degraded] = degraded },
    }).AllowAnonymous();

    private static void Send(OpenTelemetry.Exporter.OtlpExporterOptions options, TelemetrySettings settings, string signal)
    {
        options.Protocol = settings.OtlpProtocol;
        // With HTTP the exporter takes an endpoint that is set in code as it is.
        options.Endpoint = settings.OtlpProtocol == OpenTelemetry.Exporter.OtlpExportProtocol.HttpProtobuf ? new Uri($"{settings.OtlpEndpoint!.AbsoluteUri.TrimEnd('/')}/v1/{signal}") : settings.OtlpEndpoint!;
    }
}
