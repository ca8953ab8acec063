using System.Globalization;
using Broker.Dashboard.Pages;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Broker.Dashboard.Security;

/// <summary>Checks every request to the dashboard, Hangfire's own paths and ours alike, after its sender is known and before anything of the dashboard runs.</summary>
/// <remarks>So a path that a later version of Hangfire brings is protected too: nothing but a look by GET is open to those who only look.</remarks>
internal sealed class DashboardGate(RequestDelegate next, IAntiforgery antiforgery)
{
    /// <summary>The longest body of a POST that no action of ours allows more.</summary>
    public const long MostBytes = 64 * 1024;

    private static readonly CultureInfo English = CultureInfo.GetCultureInfo("en");

    /// <summary>Checks a request and passes it on.</summary>
    public async Task InvokeAsync(HttpContext http)
    {
        // The worker speaks no language of its machine, and a page has to say which it is in.
        CultureInfo.CurrentUICulture = English;
        var path = http.Request.Path.StartsWithSegments(DashboardSettings.Path, StringComparison.OrdinalIgnoreCase, out var rest) ? rest.Value ?? "" : "";
        var isLook = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);
        if (isLook && !DashboardRegistration.Changes(path))
        {
            await next(http).ConfigureAwait(false);
            return;
        }
        if (!HttpMethods.IsPost(http.Request.Method))
        {
            http.Response.Headers.Allow = isLook ? "POST" : "GET, POST";
            http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }
        var route = DashboardRegistration.RouteOf(path);
        // Before anything reads the body, as looking for a token in a form does.
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = (route as ActionRoute)?.MostBytes ?? MostBytes;
        // Hangfire's pages ask for their counters by POST.
        var changes = path != "/stats";
        if ((changes && !http.User.IsInRole(DashboardRoles.Operator)) || !await antiforgery.IsRequestValidAsync(http).ConfigureAwait(false))
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            return;
        }
        await next(http).ConfigureAwait(false);
    }
}
