using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Broker.Telemetry;

/// <summary>A health report as JSON: the whole, and each part with its state and its reason.</summary>
internal static class HealthReportWriter
{
    public static Task WriteAsync(HttpContext context, HealthReport report)
    {
        var parts = new JObject();
        foreach (var (name, entry) in report.Entries)
        {
            foreach (var (part, data) in entry.Data)
                parts[part] = JToken.FromObject(data);
            // A check of which no part could be asked.
            if (entry.Data.Count == 0)
                parts[name] = new JObject { ["status"] = entry.Status.ToString(), ["reason"] = entry.Description ?? entry.Exception?.GetType().Name };
        }
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(new JObject { ["status"] = report.Status.ToString(), ["parts"] = parts }.ToString(Formatting.Indented) + "\n", context.RequestAborted);
    }
}
