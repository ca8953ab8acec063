using Broker.Dashboard.Jobs;
using Broker.Dashboard.Pages;
using Microsoft.AspNetCore.Http;

namespace Broker.Dashboard;

/// <summary>Answers for the dashboard while the storage of the jobs is away: every page of it, ours too, has Hangfire's frame, whose counters are in that storage. Comes after those who are not known were turned away.</summary>
internal sealed class JobStorageGate(RequestDelegate next, JobStorageWatch watch)
{
    private const int SecondsUntilNextLook = 5;

    /// <summary>Answers, or passes the request on.</summary>
    public Task InvokeAsync(HttpContext http)
    {
        if (watch.Trouble is not { } trouble)
            return next(http);
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.RetryAfter = SecondsUntilNextLook.ToString(System.Globalization.CultureInfo.InvariantCulture);
        http.Response.ContentType = "text/html; charset=utf-8";
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.WriteAsync(Page(watch.Kind.ToString(), trouble), http.RequestAborted);
    }

    private static string Page(string kind, string trouble) => new HtmlWriter().Write($$"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="refresh" content="{{SecondsUntilNextLook}}">
        <title>The dashboard waits – Broker</title>
        <style>:root { color-scheme: light dark } body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem } pre { white-space: pre-wrap; overflow-wrap: anywhere }</style>
        </head>
        <body>
        <main>
        <h1>The dashboard waits for the storage of the jobs</h1>
        <p role="status">The database where jobs are kept ({{kind}}) cannot be used now:</p>
        <pre>{{trouble}}.</pre>
        <p>Relays do not need it and go on. Jobs wait too. The worker tries again by itself, and so does this page; there is nothing to restart.</p>
        <p>Meanwhile <code>broker status</code> and <code>broker dead-letters</code> ask the sources' databases themselves. If it does not pass, check that database, <code>Broker:Jobs:Storage</code> and <code>Broker:Jobs:ConnectionString</code>.</p>
        </main>
        </body>
        </html>
        """).ToString();
}
