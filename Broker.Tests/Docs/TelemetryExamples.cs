using Microsoft.Extensions.DependencyInjection;
using Outbox.Health;

namespace Broker.Tests.Docs;

/// <summary>The code of docs/telemetry.md.</summary>
internal static class TelemetryExamples
{
    public static void Health(IServiceCollection services)
    {
        services.AddHealthChecks().AddOutbox();
    }
}
