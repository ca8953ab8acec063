using Broker.Dashboard.Pages;
using Hangfire.Dashboard;

namespace Broker.Dashboard;

/// <summary>The only place that touches Hangfire's process-wide statics, which nothing locks: once, before the first request.</summary>
internal static class DashboardRegistration
{
    private static readonly Lock Gate = new();
    private static bool _done;

    /// <summary>The route of ours that answers a path below the dashboard's, or null if Hangfire answers it or nobody.</summary>
    public static BrokerRoute? RouteOf(string path) => (DashboardRoutes.Routes.FindDispatcher(path)?.Item1 as RouteDispatcher)?.Route;

    /// <summary>Whether what answers a path changes something, ours or Hangfire's. Hangfire's commands on many jobs look for a form before they look at the method.</summary>
    public static bool Changes(string path) => DashboardRoutes.Routes.FindDispatcher(path)?.Item1 switch
    {
        null => false,
        RouteDispatcher ours => ours.Route.Changes,
        var dispatcher => dispatcher.GetType().Name.EndsWith("CommandDispatcher", StringComparison.Ordinal),
    };

    /// <summary>Registers our routes, the menu, the style sheet and the script. Later calls do nothing.</summary>
    public static void Register()
    {
        lock (Gate)
        {
            if (_done)
                return;
            foreach (var route in BrokerRoutes.All)
                DashboardRoutes.Routes.Add(route.Pattern, new RouteDispatcher(route));
            NavigationMenu.Items.Insert(0, page => new MenuItem("Broker", page.Url.To(BrokerRoutes.Prefix)) { Active = page.RequestPath.StartsWith(BrokerRoutes.Prefix, StringComparison.Ordinal) });
            var assembly = typeof(DashboardRegistration).Assembly;
            foreach (var resource in assembly.GetManifestResourceNames().Order(StringComparer.Ordinal))
            {
                if (resource.EndsWith(".css", StringComparison.Ordinal))
                    DashboardRoutes.AddStylesheet(assembly, resource);
                else if (resource.EndsWith(".js", StringComparison.Ordinal))
                    DashboardRoutes.AddJavaScript(assembly, resource);
            }
            _done = true;
        }
    }
}
