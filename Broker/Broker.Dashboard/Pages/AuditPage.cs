using System.Globalization;
using Broker.Dashboard.Snapshots;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>What operators did, in all sources together, the last first.</summary>
/// <remarks>Each source numbers its own actions, so the place in the list is a number for each source: <c>orders:120,stock:7</c>.</remarks>
internal sealed class AuditPage : DataPage
{
    private const int PageSize = 50;

    private static readonly (string Value, string Text)[] Actions = [("", "any"), ("redriven", "redriven"), ("edited", "edited"), ("discarded", "discarded"), ("stolen", "stolen")];

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var what = Actions.Any(a => a.Value == request.Query("action")) ? request.Query("action") : null;
        var filter = new SourceQueries.ActionFilter(request.Query("actor"), what);
        var only = request.Query("source");
        var places = PlacesOf(request.Query("from"));
        html.Write($"""<form class="b-filter" method="get" action="{request.Link($"{BrokerRoutes.Prefix}/audit")}" role="search" aria-label="Filter the audit log">""")
            .Select("source", "Source", only, [("", "all"), .. snapshots.Select(s => (s.Name, s.Name))])
            .Select("action", "Action", what, Actions)
            .Input("actor", "By", filter.Actor)
            .Write($"""<div class="b-buttons"><button class="btn btn-primary btn-sm">Filter</button> <a class="btn btn-default btn-sm" href="{request.Link($"{BrokerRoutes.Prefix}/audit")}">Show all</a></div></form>""");
        var asked = snapshots.Where(s => only is null || s.Name == only).ToList();
        foreach (var snapshot in asked.Where(s => s.Trouble is not null))
            html.Down(snapshot);
        var answers = await Task.WhenAll(asked.Where(s => s.Trouble is null).Select(s => AskAsync(request, s, filter, places.TryGetValue(s.Name, out var place) ? place : null))).ConfigureAwait(false);
        foreach (var trouble in answers.Select(a => a.Trouble).OfType<string>())
            html.Failure("The actions of a source cannot be listed now", trouble);
        var all = answers.SelectMany(a => a.Actions).OrderByDescending(a => a.At).ThenByDescending(a => a.Id).ToList();
        var shown = all.Take(PageSize).ToList();
        if (shown.Count == 0)
        {
            html.Empty(places.Count > 0 ? "Nothing more." : filter != new SourceQueries.ActionFilter(null, null) || only is not null ? "No action fits." : "No operator has done anything yet.");
            return;
        }
        Table(html, request, shown);
        foreach (var last in shown.GroupBy(a => a.Source.Name))
            places[last.Key] = last.Min(a => a.Id);
        var behind = all.Count > PageSize ? $"{BrokerRoutes.Prefix}/audit{Parts.Query(("source", only), ("action", what), ("actor", filter.Actor), ("from", string.Join(',', places.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Key}:{p.Value}")))))}" : null;
        html.Pager(request, null, behind);
    }

    private static async Task<(IReadOnlyList<SourceQueries.Action> Actions, string? Trouble)> AskAsync(BrokerRequest request, SourceSnapshot snapshot, SourceQueries.ActionFilter filter, long? before)
    {
        try
        {
            return (await SourceQueries.ActionsAsync(snapshot.Source, filter, before, PageSize + 1, request.Cancelled).ConfigureAwait(false), null);
        }
        catch (SourceUnavailableException exception)
        {
            return ([], exception.Message);
        }
    }

    private static void Table(HtmlWriter html, BrokerRequest request, IReadOnlyList<SourceQueries.Action> actions)
    {
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Actions of operators</caption><thead><tr><th scope="col">When (UTC)</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Source</th>
            <th scope="col" class="n">Letter</th><th scope="col">Message</th><th scope="col">Reason</th></tr></thead><tbody>
            """);
        foreach (var action in actions)
        {
            html.Write($"""
                <tr><td data-label="When">{Parts.Time(action.At)}</td><td data-label="Who" class="b-long">{action.Actor}</td><td data-label="What">{Parts.Label(action.What, action.What is "discarded" or "stolen" ? "b-slow" : "b-quiet")}{(action.KeepsBody ? " body kept" : "")}</td>
                <td data-label="Source">{action.Source.Name}{(action.LockName is { } name ? $", lock {name}" : action.Consumer is { } consumer ? $", consumer {consumer}" : ", relay")}</td>
                <td class="n" data-label="Letter">{(action.LockName is null ? Letter(request, action) : default)}</td>
                """);
            html.Write($"""<td data-label="Message">{(action.MessageId is { } id ? Message(request, id) : default)}</td><td data-label="Reason" class="b-long">{action.Reason}</td></tr>""");
        }
        html.Write($"</tbody></table>");
    }

    private static HtmlText Letter(BrokerRequest request, SourceQueries.Action action) =>
        new HtmlWriter().Write($"""<a href="{request.Link(DeadLetterPage.PathOf(action.Source.Name, action.DeadLetterId))}">{action.DeadLetterId}</a>""").ToHtml();

    private static HtmlText Message(BrokerRequest request, string id) => new HtmlWriter().Write($"""<a class="b-mono" href="{request.Link(MessagePage.PathOf(id))}" title="{id}">{Words.Cut(id, 13)}</a>""").ToHtml();

    private static Dictionary<string, long> PlacesOf(string? text)
    {
        var places = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.LastIndexOf(':') is > 0 and var colon && long.TryParse(part[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                places[part[..colon]] = number;
        }
        return places;
    }
}
