namespace Broker.Dashboard.Pages;

/// <summary>Something that the dashboard serves under <c>/broker</c>: a page, a query or an action. What each kind demands of a request is checked by <see cref="RouteDispatcher"/> alone.</summary>
/// <param name="Pattern">A regular expression for the path from <c>/broker</c> on, without anchors, such as <c>/broker/sources/(?&lt;Source&gt;[^/]+)</c>. It has to fit the whole path, and the first that fits wins.</param>
internal abstract record BrokerRoute(string Pattern)
{
    /// <summary>The one HTTP method that is answered; HEAD counts as GET.</summary>
    public abstract string Method { get; }

    /// <summary>Whether it changes something: then it is for operators, and a POST with an antiforgery token.</summary>
    public abstract bool Changes { get; }
}
