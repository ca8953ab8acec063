using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>The sagas of a source's database: where each stands, and which wait for a person.</summary>
internal sealed class SagasPage : DataPage
{
    private const int PageSize = 50;

    private static readonly (string Value, string Text)[] Statuses = [("", "any"), .. SagaDesk.Statuses.Select(s => (s, s))];

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var asked = request.Query("source");
        var snapshot = asked is null ? (snapshots.Count > 0 ? snapshots[0] : null) : snapshots.FirstOrDefault(s => s.Name == asked);
        html.Sources(request, snapshots, snapshot?.Name, name => $"{BrokerRoutes.Prefix}/sagas{Parts.Query(("source", name))}");
        if (snapshot is null)
        {
            html.Failure(snapshots.Count == 0 ? "No source is configured" : $"There is no source '{asked}'", "Choose one above.");
            return;
        }
        var status = SagaDesk.Statuses.Contains(request.Query("status")) ? request.Query("status") : null;
        var filter = new SagaDesk.Filter(request.Query("saga"), status, request.Query("id"));
        Filter(html, request, snapshot.Name, filter);
        if (snapshot.Trouble is not null)
        {
            html.Down(snapshot);
            return;
        }
        var before = SagaDesk.Place.Parse(request.Query("before"));
        try
        {
            var desk = new SagaDesk(snapshot.Source.DataSource, snapshot.Source.Dialect, request.Actor);
            Counts(html, await SourceQueries.GuardAsync(snapshot.Source, token => desk.CountAsync(SourceSurvey.CountLimit, token), request.Cancelled).ConfigureAwait(false));
            List(html, request, snapshot.Name, filter, before, await SourceQueries.GuardAsync(snapshot.Source, token => desk.ListAsync(filter, before, PageSize + 1, token), request.Cancelled).ConfigureAwait(false));
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("Sagas cannot be listed now", exception.Message);
        }
    }

    internal static string PathOf(string source, SagaDesk.Filter filter, SagaDesk.Place? before = null) => $"{BrokerRoutes.Prefix}/sagas{Parts.Query(
        ("source", source), ("saga", filter.Type), ("status", filter.Status), ("id", filter.Id), ("before", before?.ToString()))}";

    /// <summary>How a status looks: what a person has to decide stands out.</summary>
    internal static HtmlText StatusLabel(string status) => Parts.Label(status, status switch { "parked" => "b-decide", "failed" => "b-stopped", "compensating" => "b-slow", _ => "b-quiet" });

    private static void Filter(HtmlWriter html, BrokerRequest request, string source, SagaDesk.Filter filter) => html
        .Write($"""<form class="b-filter" method="get" action="{request.Link($"{BrokerRoutes.Prefix}/sagas")}" role="search" aria-label="Filter sagas"><input type="hidden" name="source" value="{source}">""")
        .Select("status", "Status", filter.Status, Statuses)
        .Input("saga", "Saga", filter.Type)
        .Input("id", "Id", filter.Id)
        .Write($"""<div class="b-buttons"><button class="btn btn-primary btn-sm">Filter</button> <a class="btn btn-default btn-sm" href="{request.Link($"{BrokerRoutes.Prefix}/sagas{Parts.Query(("source", source))}")}">Show all</a></div></form>""");

    private static void Counts(HtmlWriter html, IReadOnlyList<SagaDesk.Count> counts)
    {
        if (counts.Count == 0)
            return;
        html.Write($"""<ul class="b-counts" aria-label="How many">""");
        foreach (var count in counts.OrderBy(c => c.Type, StringComparer.Ordinal).ThenBy(c => SagaDesk.Statuses.ToList().IndexOf(c.Status)))
            html.Write($"""<li><b>{Words.Counted(count.Sagas, SourceSurvey.CountLimit)}</b> {count.Type}: {count.Status}</li>""");
        html.Write($"</ul>");
    }

    private static void List(HtmlWriter html, BrokerRequest request, string source, SagaDesk.Filter filter, SagaDesk.Place? before, IReadOnlyList<SagaDesk.Standing> found)
    {
        List<SagaDesk.Standing> sagas = [.. found.Take(PageSize)];
        if (sagas.Count == 0)
        {
            html.Empty(before is not null ? "Nothing more." : filter != new SagaDesk.Filter() ? "Nothing fits." : "There are no sagas in this database.");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Sagas</caption><thead><tr><th scope="col">Saga and id</th><th scope="col">Status</th><th scope="col">Stands at</th>
            <th scope="col">Reason</th><th scope="col" class="n">Attempt</th><th scope="col">Changed (UTC)</th><th scope="col">Deadline (UTC)</th></tr></thead><tbody>
            """);
        foreach (var saga in sagas)
        {
            html.Write($"""
                <tr><td data-label="Saga and id" class="b-long"><a href="{request.Link(SagaPage.PathOf(source, saga.Type, saga.Id))}"><code>{saga.Type} {Words.Cut(saga.Id, 80)}</code></a></td>
                <td data-label="Status">{StatusLabel(saga.Status)}</td>
                <td data-label="Stands at">{(saga.Step is null ? "–" : $"{saga.Step}: {saga.Operation}")}</td>
                <td data-label="Reason" class="b-long b-reason">{Words.Cut(saga.Trouble ?? saga.Reason, 240)}</td><td class="n" data-label="Attempt">{saga.Attempt}</td>
                <td data-label="Changed">{Parts.Time(saga.UpdatedAt)}</td><td data-label="Deadline">{Parts.Time(saga.Deadline)}</td></tr>
                """);
        }
        html.Write($"</tbody></table>");
        html.Pager(request, before is null ? null : PathOf(source, filter), found.Count > PageSize ? PathOf(source, filter, SagaDesk.Place.Of(sagas[^1])) : null);
    }
}
