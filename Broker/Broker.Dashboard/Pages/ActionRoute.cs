using Broker.Dashboard.Security;

namespace Broker.Dashboard.Pages;

/// <summary>Something that is done, by POST with an antiforgery token, for operators alone.</summary>
/// <param name="Pattern">Its path.</param>
/// <param name="HandleAsync">Does it.</param>
/// <param name="MostBytes">The longest body that it takes.</param>
internal sealed record ActionRoute(string Pattern, Func<BrokerRequest, Task> HandleAsync, long MostBytes = DashboardGate.MostBytes) : BrokerRoute(Pattern)
{
    public override string Method => "POST";

    public override bool Changes => true;
}
