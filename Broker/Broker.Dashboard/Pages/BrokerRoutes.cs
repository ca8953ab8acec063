namespace Broker.Dashboard.Pages;

/// <summary>Everything that the dashboard serves besides Hangfire's own: add a page, a query or an action here, and it is registered, protected and tested.</summary>
internal static class BrokerRoutes
{
    /// <summary>The path that all of them begin with, below the dashboard's own.</summary>
    public const string Prefix = "/broker";

    /// <summary>The routes, and the order of the menu.</summary>
    public static IReadOnlyList<BrokerRoute> All { get; } =
    [
        new PageRoute(Prefix, "Overview", _ => new OverviewPage(), InMenu: true),
    ];

    /// <summary>The pages of the menu.</summary>
    public static IEnumerable<PageRoute> Menu => All.OfType<PageRoute>().Where(page => page.InMenu);
}
