using Microsoft.AspNetCore.Http;

namespace Broker.Dashboard.Security;

/// <summary>Headers that every answer carries, so that a browser does nothing with it that it was not meant for.</summary>
internal sealed class SecurityHeaders(RequestDelegate next)
{
    /// <summary>Scripts only from here, and none within a page. Hangfire and its charts set styles on elements, so styles may be.</summary>
    internal const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>Adds them to the answer.</summary>
    public Task InvokeAsync(HttpContext http)
    {
        http.Response.OnStarting(static state =>
        {
            var context = (HttpContext)state;
            var headers = context.Response.Headers;
            headers.ContentSecurityPolicy = ContentSecurityPolicy;
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "DENY";
            headers["Referrer-Policy"] = "no-referrer";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            headers["Cross-Origin-Resource-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
            // Nothing of a page may lie on a disk. Scripts and styles, whose paths carry their version, may.
            if (!(context.Response.ContentType is { } type && (type.StartsWith("text/css", StringComparison.Ordinal) || type.Contains("javascript", StringComparison.Ordinal) || type.Contains("font", StringComparison.Ordinal))))
                headers.CacheControl = "no-store";
            if (context.Request.IsHttps)
                headers.StrictTransportSecurity = "max-age=31536000";
            return Task.CompletedTask;
        }, http);
        return next(http);
    }
}
