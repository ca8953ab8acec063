using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Shop.Hosting;

/// <summary>Sends a service's traces and metrics to a collector, if OTEL_EXPORTER_OTLP_ENDPOINT names one.</summary>
internal static class ServiceTelemetry
{
    public static void Add(IServiceCollection services, string service)
    {
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(service))
            .WithTracing(traces => traces.AddSource("Outbox").AddAspNetCoreInstrumentation())
            .WithMetrics(metrics => metrics.AddMeter("Outbox"))
            .UseOtlpExporter();
    }
}
