using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>The dead letters of a source: found, looked at, and put back or given up, one, some or all.</summary>
internal sealed class DeadLettersPage : DataPage
{
    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var search = LetterSearch.Of(request);
        // Without a name it is the source that has some.
        var snapshot = search.Source is null ? snapshots.OrderByDescending(s => s.Survey?.DeadLetters ?? 0).FirstOrDefault() : snapshots.FirstOrDefault(s => s.Name == search.Source);
        html.Sources(request, snapshots, snapshot?.Name, name => (search with { Source = name, From = null }).PathOf());
        if (snapshot is null)
        {
            html.Failure(snapshots.Count == 0 ? "No source is configured" : $"There is no source '{search.Source}'", "Choose one above.");
            return;
        }
        search = search with { Source = snapshot.Name };
        Said(html, request);
        JobPage.Running(html, request, snapshot.Name);
        Filter(html, request, search);
        if (snapshot.Trouble is not null)
        {
            html.Down(snapshot);
            return;
        }
        try
        {
            var desk = new DeadLetterDesk(snapshot.Source.DataSource, snapshot.Source.Dialect, request.Actor);
            var letters = await SourceQueries.GuardAsync(snapshot.Source, token => desk.ListAsync(search.Filter, search.Page, token), request.Cancelled).ConfigureAwait(false);
            List(html, request, search, letters);
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("The dead letters cannot be listed now", exception.Message);
        }
    }

    /// <summary>What an action that led here has done.</summary>
    private static void Said(HtmlWriter html, BrokerRequest request)
    {
        if (!long.TryParse(request.Query("count"), out var count))
            return;
        var text = request.Query("done") switch
        {
            "redriven" => $"{Words.Several(count, "dead letter")} put back.",
            "discarded" => $"{Words.Several(count, "dead letter")} discarded.",
            "none" => "Nothing was done: no letter was chosen, or none of them waits any more. A message without an id can only be discarded.",
            "no-reason" => "Nothing was done: to discard letters, say why.",
            "no-jobs" => "Nothing was started: jobs are kept in the memory of this worker, and it has not the role 'jobs', so nobody would run it. Set Broker:Jobs:Storage, or give this worker the role.",
            "unknown" => "The source did not answer, so it is not known whether it was done. The audit log will say.",
            _ => null,
        };
        if (text is not null)
            html.Write($"""<p class="b-note {(request.Query("done") is "redriven" or "discarded" ? "b-fine" : "b-slow")}" role="status">{text}</p>""");
    }

    private static void Filter(HtmlWriter html, BrokerRequest request, LetterSearch search)
    {
        html.Write($"""<form class="b-filter" method="get" action="{request.Link($"{BrokerRoutes.Prefix}/dead-letters")}" role="search" aria-label="Filter dead letters"><input type="hidden" name="source" value="{search.Source}">""")
            .Select("state", "State", search.Filter.State, LetterSearch.States)
            .Select("side", "Side", search.Filter.Side, LetterSearch.Sides)
            .Input("consumer", "Consumer", search.Filter.Consumer)
            .Input("type", "Type", search.Filter.Type)
            .Input("key", "Key", search.Filter.Key)
            .Input("text", "Text in the reason", search.Filter.Text)
            .Input("since", "Failed since (UTC)", search.Filter.Since?.ToString("yyyy-MM-dd'T'HH:mm", System.Globalization.CultureInfo.InvariantCulture), "datetime-local")
            .Select("order", "Order", search.Order, LetterSearch.Orders)
            .Write($"""<div class="b-buttons"><button class="btn btn-primary btn-sm">Filter</button>""");
        if (search.IsNarrowed || search.Order.Length > 0)
            html.Write($""" <a class="btn btn-default btn-sm" href="{request.Link($"{BrokerRoutes.Prefix}/dead-letters{Parts.Query(("source", search.Source))}")}">Show all</a>""");
        html.Write($"</div></form>");
    }

    private static void List(HtmlWriter html, BrokerRequest request, LetterSearch search, IReadOnlyList<DeadLetterDesk.Letter> found)
    {
        var isMore = found.Count > LetterSearch.PageSize;
        // The one too many stands at the far end.
        List<DeadLetterDesk.Letter> letters = [.. search.Before ? found.Skip(isMore ? 1 : 0) : found.Take(LetterSearch.PageSize)];
        if (letters.Count == 0)
        {
            html.Empty(search.From is not null ? "Nothing more." : search.IsNarrowed ? "No dead letter fits." : "No dead letter waits.");
            if (search.From is not null)
                html.Write($"""<p><a href="{request.Link(search.PathOf())}">Back to the first page</a></p>""");
            return;
        }
        var canAct = request.CanAct && search.Filter.State != "discarded";
        if (canAct)
            html.Write($"""<form method="post" class="js-letters" action="{request.Link(LetterActions.PathOf(search.Source!))}">{Parts.Token(request)}{Repeated(search)}""");
        html.Write($"""<table class="table b-table b-cards b-letters"><caption class="sr-only">Dead letters</caption><thead><tr>""");
        if (canAct)
            html.Write($"""<th scope="col" class="b-check"><label><input type="checkbox" class="js-all" hidden><span class="sr-only">Choose all on this page</span></label></th>""");
        html.Write($"""<th scope="col" class="n">Number</th><th scope="col">Type and key</th><th scope="col">Set aside by</th><th scope="col">Reason</th><th scope="col" class="n">Attempts</th><th scope="col">Failed last (UTC)</th></tr></thead><tbody>""");
        foreach (var letter in letters)
            Row(html, request, search, letter, canAct);
        html.Write($"</tbody></table>");
        if (canAct)
            Act(html, search);
        var first = search.Before ? isMore : search.From is not null;
        var last = search.Before || isMore;
        html.Pager(request, first ? search.PathOf(letters[0], before: true) : null, last ? search.PathOf(letters[^1]) : null);
    }

    private static void Row(HtmlWriter html, BrokerRequest request, LetterSearch search, DeadLetterDesk.Letter letter, bool canAct)
    {
        html.Write($"<tr>");
        if (canAct)
            html.Write($"""<td class="b-check"><label><input type="checkbox" name="id" value="{letter.Id}"><span class="sr-only">Choose letter {letter.Id}</span></label></td>""");
        html.Write($"""
            <td class="n" data-label="Number"><a href="{request.Link(DeadLetterPage.PathOf(search.Source!, letter.Id))}">{letter.Id}</a></td>
            <td data-label="Type and key" class="b-long"><code>{Words.Cut(letter.Type, 120)}</code>{(letter.Key is null ? default : Key(letter.Key))}</td>
            <td data-label="Set aside by">{(letter.Consumer is { } consumer ? $"consumer {consumer}" : "relay")} {StateOf(letter)}</td>
            <td data-label="Reason" class="b-long b-reason">{Words.Cut(letter.Reason, 240)}</td>
            <td class="n" data-label="Attempts">{letter.Attempts}</td><td data-label="Failed last">{Parts.Time(letter.LastFailedAt)}</td></tr>
            """);
    }

    private static void Act(HtmlWriter html, LetterSearch search)
    {
        html.Write($"""
            <fieldset class="b-act"><legend>With the chosen letters</legend>
            <label class="b-grow">Reason <input type="text" name="reason" maxlength="500" class="form-control input-sm" placeholder="needed to discard; kept in the audit log" autocomplete="off"></label>
            <button class="btn btn-primary btn-sm" name="do" value="redrive">Redrive</button> <button class="btn btn-death btn-sm" name="do" value="discard">Discard</button></fieldset>
            <details class="b-all"><summary>All letters that {(search.IsNarrowed ? "the filter finds" : $"wait in {search.Source}")}, not only this page</summary>
            <p>This starts a job, which shows its progress and can be ended. Letters that come after it was asked for are not among them.</p>
            <button class="btn btn-primary btn-sm" name="do" value="redrive-all">Redrive all</button> <button class="btn btn-death btn-sm" name="do" value="discard-all">Discard all</button> with the reason above
            </details></form>
            """);
    }

    /// <summary>The search as hidden fields, so that an action comes back to it.</summary>
    private static HtmlText Repeated(LetterSearch search)
    {
        var html = new HtmlWriter();
        foreach (var (name, value) in search.Values.Where(v => !string.IsNullOrEmpty(v.Value)))
            html.Write($"""<input type="hidden" name="{name}" value="{value}">""");
        return html.ToHtml();
    }

    private static HtmlText Key(string key) => new HtmlWriter().Write($"""<span class="b-sub">key {Words.Cut(key, 80)}</span>""").ToHtml();

    internal static HtmlText StateOf(DeadLetterDesk.Letter letter) => letter.State switch
    {
        "blocking" => Parts.Label("its key waits", "b-slow"),
        "discarded" => Parts.Label("discarded", "b-quiet"),
        _ => default,
    };
}
