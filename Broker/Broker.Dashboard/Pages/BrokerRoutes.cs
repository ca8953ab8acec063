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
        new PageRoute(Prefix + "/sources", "Sources", _ => new SourcePage(), InMenu: true),
        new PageRoute(Prefix + "/sources/(?<Source>[^/]+)", "Source", _ => new SourcePage()),
        new PageRoute(Prefix + "/dead-letters", "Dead letters", _ => new DeadLettersPage(), InMenu: true),
        new PageRoute(Prefix + "/dead-letters/(?<Source>[^/]+)/(?<Id>[^/]+)", "Dead letter", _ => new DeadLetterPage()),
        new PageRoute(Prefix + "/jobs/(?<Id>[^/]+)", "Job", _ => new JobPage()),
        new PageRoute(Prefix + "/deferred", "Deferred", _ => new DeferredPage(), InMenu: true),
        new PageRoute(Prefix + "/sagas", "Sagas", _ => new SagasPage(), InMenu: true),
        new PageRoute(Prefix + "/sagas/(?<Source>[^/]+)/(?<Saga>[^/]+)", "Saga", _ => new SagaPage()),
        new PageRoute(Prefix + "/inbox", "Inbox", _ => new InboxPage(), InMenu: true),
        new PageRoute(Prefix + "/transactions", "Transactions", _ => new TransactionsPage(), InMenu: true),
        new PageRoute(Prefix + "/locks", "Locks", _ => new LocksPage(), InMenu: true),
        new PageRoute(Prefix + "/message", "Message", _ => new MessagePage(), InMenu: true),
        new PageRoute(Prefix + "/audit", "Audit log", _ => new AuditPage(), InMenu: true),
        new QueryRoute(Prefix + "/live/overview", OverviewPage.LiveAsync),
        new QueryRoute(Prefix + "/live/sources/(?<Source>[^/]+)", SourcePage.LiveAsync),
        new QueryRoute(Prefix + "/live/jobs/(?<Id>[^/]+)", JobPage.LiveAsync),
        new ActionRoute(Prefix + "/act/dead-letters/(?<Source>[^/]+)", LetterActions.ActAsync),
        new ActionRoute(Prefix + "/act/dead-letters/(?<Source>[^/]+)/(?<Id>[^/]+)", LetterActions.EditAsync, LetterActions.MostBytes),
        new ActionRoute(Prefix + "/act/sagas/(?<Source>[^/]+)/(?<Saga>[^/]+)", SagaPage.ActAsync),
        new ActionRoute(Prefix + "/act/locks/(?<Source>[^/]+)", LocksPage.StealAsync),
        new ActionRoute(Prefix + "/act/jobs/(?<Id>[^/]+)", JobPage.CancelAsync),
    ];

    /// <summary>The pages of the menu.</summary>
    public static IEnumerable<PageRoute> Menu => All.OfType<PageRoute>().Where(page => page.InMenu);
}
