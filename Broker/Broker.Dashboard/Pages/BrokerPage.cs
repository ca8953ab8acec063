using Hangfire.Dashboard;
using Hangfire.Dashboard.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>A page of ours in Hangfire's frame: its navigation above, our menu at the side.</summary>
/// <remarks>
/// Hangfire renders synchronously, so a page queries nothing: it writes its frame, and its script fetches the rest from a <see cref="QueryRoute"/>.
/// <see cref="RazorPage.Write(object)"/> encodes, <see cref="RazorPage.WriteLiteral"/> and <c>Html.Raw</c> do not: what comes from a message or a database goes through <c>Write</c> only.
/// </remarks>
internal abstract class BrokerPage : RazorPage
{
    /// <summary>Its title.</summary>
    public string Title { get; set; } = "";

    /// <summary>The request's services.</summary>
    protected IServiceProvider Services => Http.RequestServices;

    /// <summary>The request.</summary>
    protected HttpContext Http => Context.GetHttpContext();

    /// <summary>The sources as they are now.</summary>
    protected IDashboardSources Sources => Services.GetRequiredService<IDashboardSources>();

    /// <inheritdoc/>
    public sealed override void Execute()
    {
        Layout = new LayoutPage(Title);
        WriteLiteral("<div class=\"row broker\"><div class=\"col-md-3\">");
        Write(Html.SidebarMenu(BrokerRoutes.Menu.Select(ItemOf)));
        WriteLiteral("</div><div class=\"col-md-9\"><h1 class=\"page-header\">");
        Write(Title);
        WriteLiteral("</h1>");
        WriteBody();
        WriteLiteral("</div></div>");
    }

    /// <summary>Writes what is below the title.</summary>
    protected abstract void WriteBody();

    private static Func<RazorPage, MenuItem> ItemOf(PageRoute route) => page => new MenuItem(route.Title, page.Url.To(route.Pattern)) { Active = page.RequestPath == route.Pattern };
}
