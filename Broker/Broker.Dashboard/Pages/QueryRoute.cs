namespace Broker.Dashboard.Pages;

/// <summary>Something that is read, as JSON by GET, for everyone who may see the dashboard.</summary>
/// <param name="Pattern">Its path.</param>
/// <param name="HandleAsync">Answers.</param>
internal sealed record QueryRoute(string Pattern, Func<BrokerRequest, Task> HandleAsync) : BrokerRoute(Pattern)
{
    public override string Method => "GET";

    public override bool Changes => false;
}
