using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>A request to a query or an action that has passed all checks.</summary>
/// <param name="http">The request.</param>
/// <param name="match">What the pattern caught.</param>
/// <param name="canAct">Whether its sender may change something.</param>
internal sealed class BrokerRequest(HttpContext http, Match match, bool canAct)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>The request itself.</summary>
    public HttpContext Http => http;

    /// <summary>Who sends it, as the audit log names them.</summary>
    public string Actor => http.User.Identity?.Name ?? "";

    /// <summary>Whether its sender may change something.</summary>
    public bool CanAct => canAct;

    /// <summary>Its services.</summary>
    public IServiceProvider Services => http.RequestServices;

    /// <summary>The sources as they are now.</summary>
    public IDashboardSources Sources => Services.GetRequiredService<IDashboardSources>();

    /// <summary>Cancelled when nobody waits for the answer any more.</summary>
    public CancellationToken Cancelled => http.RequestAborted;

    /// <summary>What a group of the pattern caught, decoded; empty if it caught nothing.</summary>
    public string Caught(string group) => Uri.UnescapeDataString(match.Groups[group].Value);

    /// <summary>A value of the query string, or null.</summary>
    public string? Query(string name) => http.Request.Query[name] is [{ Length: > 0 } value, ..] ? value : null;

    /// <summary>The form of a POST.</summary>
    public Task<IFormCollection> ReadFormAsync() => http.Request.ReadFormAsync(Cancelled);

    /// <summary>Answers with JSON, in camel case and with HTML's characters escaped.</summary>
    public Task WriteAsync<T>(T answer, int status = StatusCodes.Status200OK)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsJsonAsync(answer, Json, Cancelled);
    }

    /// <summary>Answers that a request cannot be understood or what it names is not there, with what to do.</summary>
    public Task RefuseAsync(int status, string error) => WriteAsync(new { error }, status);
}
