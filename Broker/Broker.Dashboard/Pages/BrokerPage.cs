using Hangfire.Dashboard;
using Hangfire.Dashboard.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>A page of ours in Hangfire's frame: its navigation above, our menu at the side.</summary>
/// <remarks>
/// Hangfire renders synchronously, so a page queries nothing while it is rendered: a <see cref="DataPage"/> fetches its content before, and what changes is fetched again by its script from a <see cref="QueryRoute"/>.
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
        WriteLiteral("<div class=\"row broker\"><div class=\"col-md-2\">");
        Write(Html.SidebarMenu(BrokerRoutes.Menu.Select(ItemOf)));
        WriteLiteral("</div><div class=\"col-md-10\"><h1 class=\"page-header\">");
        Write(Title);
        WriteLiteral("</h1>");
        WriteBody();
        WriteLiteral("</div></div>");
    }

    /// <summary>Writes what is below the title.</summary>
    protected abstract void WriteBody();

    private static Func<RazorPage, MenuItem> ItemOf(PageRoute route) => page => new MenuItem(route.Title, page.Url.To(route.Pattern))
    {
        // A page below one of the menu, such as a single dead letter, belongs to it.
        Active = page.RequestPath == route.Pattern || (route.Pattern != BrokerRoutes.Prefix && page.RequestPath.StartsWith(route.Pattern + "/", StringComparison.Ordinal)),
    };
}
