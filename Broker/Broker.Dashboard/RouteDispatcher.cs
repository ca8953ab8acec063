using Broker.Dashboard.Pages;
using Hangfire.Dashboard;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard;

/// <summary>Stands before each of our routes and checks method, role and antiforgery token. Hangfire leaves the first two to its dispatchers, and the third to whether somebody has registered <see cref="IAntiforgery"/>.</summary>
/// <param name="route">The route.</param>
internal sealed class RouteDispatcher(BrokerRoute route) : IDashboardDispatcher
{
    /// <summary>What it stands before.</summary>
    public BrokerRoute Route => route;

    /// <inheritdoc/>
    public async Task Dispatch(Hangfire.Dashboard.DashboardContext context)
    {
        var http = context.GetHttpContext();
        if (!(http.Request.Method == route.Method || (HttpMethods.IsHead(http.Request.Method) && HttpMethods.IsGet(route.Method))))
        {
            http.Response.Headers.Allow = route.Method;
            http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }
        if (route.Changes && (context.IsReadOnly || !await http.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(http).ConfigureAwait(false)))
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            return;
        }
        switch (route)
        {
            case PageRoute page:
                var shown = page.Create(context.UriMatch);
                shown.Title = shown.Title.Length > 0 ? shown.Title : page.Title;
                if (shown is DataPage data)
                    await data.LoadAsync(RequestOf(context)).ConfigureAwait(false);
                await Renderer(shown).Dispatch(context).ConfigureAwait(false);
                break;
            case QueryRoute query:
                await query.HandleAsync(RequestOf(context)).ConfigureAwait(false);
                break;
            case ActionRoute action:
                await action.HandleAsync(RequestOf(context)).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Hangfire keeps to itself how a page is rendered; a collection of routes gives the dispatcher that does.</summary>
    private static IDashboardDispatcher Renderer(BrokerPage page)
    {
        var routes = new Hangfire.Dashboard.RouteCollection();
        routes.AddRazorPage(".*", _ => page);
        return routes.FindDispatcher("/").Item1;
    }

    private static BrokerRequest RequestOf(Hangfire.Dashboard.DashboardContext context) => new(context.GetHttpContext(), context.UriMatch, !context.IsReadOnly);
}
