using System.Text.RegularExpressions;

namespace Broker.Dashboard.Pages;

/// <summary>A page in Hangfire's frame, by GET, for everyone who may see the dashboard.</summary>
/// <param name="Pattern">Its path.</param>
/// <param name="Title">Its title, also in the menu.</param>
/// <param name="Create">Makes the page for a request; the match holds what the pattern's groups caught.</param>
/// <param name="InMenu">Whether the menu at the side lists it, in the order of <see cref="BrokerRoutes"/>. Its pattern is then its path.</param>
internal sealed record PageRoute(string Pattern, string Title, Func<Match, BrokerPage> Create, bool InMenu = false) : BrokerRoute(Pattern)
{
    public override string Method => "GET";

    public override bool Changes => false;
}
