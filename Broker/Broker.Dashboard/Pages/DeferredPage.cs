using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>What consumers have deferred: who tries what again, when, and what waits behind it.</summary>
internal sealed class DeferredPage : DataPage
{
    private const int PageSize = 50;

    private static readonly (string Value, string Text)[] States = [("", "any"), ("failed", "tried again"), ("behind", "waits behind another"), ("gap", "waits for a number"), ("dead", "waits for an operator")];

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var asked = request.Query("source");
        var snapshot = asked is null ? snapshots.OrderByDescending(s => s.Survey?.DeferredMessages ?? 0).FirstOrDefault() : snapshots.FirstOrDefault(s => s.Name == asked);
        html.Sources(request, snapshots, snapshot?.Name, name => $"{BrokerRoutes.Prefix}/deferred{Parts.Query(("source", name))}");
        if (snapshot is null)
        {
            html.Failure(snapshots.Count == 0 ? "No source is configured" : $"There is no source '{asked}'", "Choose one above.");
            return;
        }
        var state = States.Any(s => s.Value == request.Query("state")) ? request.Query("state") : null;
        var filter = new DeferredDesk.Filter(request.Query("consumer"), state, request.Query("type"), request.Query("key"));
        Filter(html, request, snapshot.Name, filter);
        if (snapshot.Trouble is not null)
        {
            html.Down(snapshot);
            return;
        }
        if (snapshot.Survey is { } survey)
            Counts(html, survey);
        var (from, before) = (long.TryParse(request.Query("from"), out var number) ? number : (long?)null, request.Query("before") == "1");
        try
        {
            var desk = new DeferredDesk(snapshot.Source.DataSource, snapshot.Source.Dialect);
            var found = await SourceQueries.GuardAsync(snapshot.Source, token => desk.ListAsync(filter, from, PageSize + 1, before, token), request.Cancelled).ConfigureAwait(false);
            List(html, request, snapshot.Name, filter, from, before, found);
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("What is deferred cannot be listed now", exception.Message);
        }
    }

    internal static string PathOf(string source, DeferredDesk.Filter filter, long? from = null, bool before = false) => $"{BrokerRoutes.Prefix}/deferred{Parts.Query(
        ("source", source), ("consumer", filter.Consumer), ("state", filter.State), ("type", filter.Type), ("key", filter.Key), ("from", from?.ToString(System.Globalization.CultureInfo.InvariantCulture)), ("before", before ? "1" : null))}";

    private static void Filter(HtmlWriter html, BrokerRequest request, string source, DeferredDesk.Filter filter) => html
        .Write($"""<form class="b-filter" method="get" action="{request.Link($"{BrokerRoutes.Prefix}/deferred")}" role="search" aria-label="Filter deferred messages"><input type="hidden" name="source" value="{source}">""")
        .Select("state", "State", filter.State, States)
        .Input("consumer", "Consumer", filter.Consumer)
        .Input("type", "Type", filter.Type)
        .Input("key", "Key", filter.Key)
        .Write($"""<div class="b-buttons"><button class="btn btn-primary btn-sm">Filter</button> <a class="btn btn-default btn-sm" href="{request.Link($"{BrokerRoutes.Prefix}/deferred{Parts.Query(("source", source))}")}">Show all</a></div></form>""");

    private static void Counts(HtmlWriter html, SourceSurvey survey)
    {
        if (survey.Deferred.Count == 0)
            return;
        html.Write($"""<ul class="b-counts" aria-label="How many">""");
        foreach (var count in survey.Deferred)
            html.Write($"""<li><b>{Words.Counted(count.Count, SourceSurvey.CountLimit)}</b> of {count.Consumer}: {TextOf(count.State)}, the oldest for {Words.Span(count.Oldest)}</li>""");
        html.Write($"</ul>");
    }

    private static void List(HtmlWriter html, BrokerRequest request, string source, DeferredDesk.Filter filter, long? from, bool before, IReadOnlyList<DeferredDesk.Message> found)
    {
        var isMore = found.Count > PageSize;
        List<DeferredDesk.Message> messages = [.. before ? found.Skip(isMore ? 1 : 0) : found.Take(PageSize)];
        if (messages.Count == 0)
        {
            html.Empty(from is not null ? "Nothing more." : filter != new DeferredDesk.Filter() ? "Nothing fits." : "Nothing is deferred: consumers apply what they get.");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Deferred messages</caption><thead><tr><th scope="col">Consumer</th><th scope="col">Type and key</th><th scope="col">State</th>
            <th scope="col">Reason</th><th scope="col" class="n">Attempts</th><th scope="col">Deferred (UTC)</th><th scope="col">Next attempt (UTC)</th></tr></thead><tbody>
            """);
        foreach (var message in messages)
        {
            html.Write($"""
                <tr><td data-label="Consumer">{message.Consumer}</td>
                <td data-label="Type and key" class="b-long"><a href="{request.Link(MessagePage.PathOf(message.MessageId))}"><code>{Words.Cut(message.Type ?? "without a type", 120)}</code></a>{(message.Key is null ? default : new HtmlWriter().Write($"""<span class="b-sub">key {Words.Cut(message.Key, 80)}</span>""").ToHtml())}</td>
                <td data-label="State">{Parts.Label(TextOf(message.State), message.State == "dead" ? "b-decide" : message.State == "failed" ? "b-slow" : "b-quiet")}</td>
                <td data-label="Reason" class="b-long b-reason">{Words.Cut(message.Reason, 240)}</td><td class="n" data-label="Attempts">{message.Attempts}</td>
                <td data-label="Deferred">{Parts.Time(message.DeferredAt)}</td><td data-label="Next attempt">
                """);
            if (message.State == "dead")
                html.Write($"""<a href="{request.Link($"{BrokerRoutes.Prefix}/dead-letters{Parts.Query(("source", source), ("consumer", message.Consumer), ("key", message.Key))}")}">its dead letter</a>""");
            else
                html.Write($"{(message.NextAttemptAt is { } next ? Parts.Time(next) : Parts.Label("when its turn comes", "b-quiet"))}");
            html.Write($"</td></tr>");
        }
        html.Write($"</tbody></table>");
        var (first, last) = (before ? isMore : from is not null, before || isMore);
        html.Pager(request, first ? PathOf(source, filter, messages[0].Id, before: true) : null, last ? PathOf(source, filter, messages[^1].Id) : null);
    }

    private static string TextOf(string state) => States.FirstOrDefault(s => s.Value == state).Text ?? state;
}
