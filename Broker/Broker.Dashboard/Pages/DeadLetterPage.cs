using System.Globalization;
using System.Text;
using Broker.Dashboard.Security;
using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json;

namespace Broker.Dashboard.Pages;

/// <summary>One dead letter with all that is known of it, and what can be done with it.</summary>
internal sealed class DeadLetterPage : DataPage
{
    /// <summary>Bytes of a body that are fetched: more is nothing to read in a browser, and cannot be edited there.</summary>
    public const int MostBody = 256 * 1024;

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var name = request.Caught("Source");
        var source = request.Sources.Find(name);
        if (source is null || !long.TryParse(request.Caught("Id"), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
        {
            request.Http.Response.StatusCode = StatusCodes.Status404NotFound;
            html.Failure($"There is no source '{name}'", "Its name may have changed in the configuration. See the overview.");
            return;
        }
        Title = string.Create(CultureInfo.InvariantCulture, $"Dead letter {id}");
        html.Write($"""<p class="b-up"><a href="{request.Link($"{BrokerRoutes.Prefix}/dead-letters{Parts.Query(("source", name))}")}">← Dead letters of {name}</a></p>""");
        DeadLetterDesk.Detail? detail;
        IReadOnlyList<DeadLetterDesk.Act> acts = [];
        try
        {
            var desk = new DeadLetterDesk(source.DataSource, source.Dialect, request.Actor);
            detail = await SourceQueries.GuardAsync(source, token => desk.ReadAsync(id, MostBody, token), request.Cancelled).ConfigureAwait(false);
            acts = detail is not null ? detail.Acts : await SourceQueries.GuardAsync(source, token => desk.HistoryAsync(id, 100, token), request.Cancelled).ConfigureAwait(false);
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("The letter cannot be read now", exception.Message);
            return;
        }
        if (detail is null)
        {
            request.Http.Response.StatusCode = StatusCodes.Status404NotFound;
            html.Empty(acts.Count > 0 ? $"Letter {id} is no longer here: it was put back." : $"There is no letter {id} in source {name}.");
        }
        else
            Letter(html, request, name, detail);
        History(html, acts);
    }

    internal static string PathOf(string source, long id) => string.Create(CultureInfo.InvariantCulture, $"{BrokerRoutes.Prefix}/dead-letters/{Uri.EscapeDataString(source)}/{id}");

    private static void Letter(HtmlWriter html, BrokerRequest request, string source, DeadLetterDesk.Detail detail)
    {
        var letter = detail.Letter;
        html.Write($"""
            <div class="b-note {(letter.State == "discarded" ? "b-quiet-note" : letter.Blocks ? "b-slow" : "b-decide")}"><strong>{letter.Reason}</strong> {DeadLettersPage.StateOf(letter)}</div>
            <dl class="b-facts"><div class="b-wide"><dt>Type</dt><dd><code>{letter.Type}</code></dd></div><div class="b-wide"><dt>Message</dt><dd class="b-mono">
            """);
        if (letter.MessageId.Length > 0)
            html.Write($"""<a href="{request.Link(MessagePage.PathOf(letter.MessageId))}">{letter.MessageId}</a>""");
        else
            html.Write($"without an id");
        html.Write($"""</dd></div><div class="b-wide"><dt>Key</dt><dd>{letter.Key ?? "–"}</dd></div><div><dt>Set aside by</dt><dd>{(letter.Consumer is { } consumer ? $"consumer {consumer}" : "relay")}</dd></div>""");
        Fact(html, "From source", letter.Source);
        Fact(html, "Attempts", Words.Number(letter.Attempts));
        Fact(html, "Failed first (UTC)", Words.Moment(letter.FirstFailedAt));
        Fact(html, "Failed last (UTC)", Words.Moment(letter.LastFailedAt));
        Fact(html, "Written (UTC)", detail.CreatedAt is { } written ? Words.Moment(written) : null);
        Fact(html, "Expires (UTC)", detail.ExpiresAt is { } expires ? Words.Moment(expires) : null);
        Fact(html, "Partition", detail.Partition?.ToString(CultureInfo.InvariantCulture));
        Fact(html, "Sequence", letter.Sequence > 0 ? Words.Number(letter.Sequence) : null);
        Fact(html, "Number in its key", detail.KeySequence is { } number ? Words.Number(number) : null);
        Fact(html, "Sender's id", detail.OriginalId is { } original && original != letter.MessageId ? original : null);
        html.Write($"</dl>");
        if (request.CanAct && letter.IsOpen)
            Act(html, request, source, letter);
        Body(html, request, source, detail);
        Headers(html, detail);
        if (detail.Error is { Length: > 0 } error)
            html.Write($"""<section><h2>{(letter.State == "discarded" ? "Discarded" : "Exception")}</h2><pre class="b-text" tabindex="0">{error}</pre></section>""");
    }

    private static void Fact(HtmlWriter html, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            html.Write($"<div><dt>{name}</dt><dd>{value}</dd></div>");
    }

    private static void Act(HtmlWriter html, BrokerRequest request, string source, DeadLetterDesk.Letter letter) => html.Write($"""
        <form class="b-act" method="post" action="{request.Link(LetterActions.PathOf(source))}">{Parts.Token(request)}<input type="hidden" name="id" value="{letter.Id}">
        <label class="b-grow">Reason <input type="text" name="reason" maxlength="500" class="form-control input-sm" placeholder="needed to discard; kept in the audit log" autocomplete="off"></label>
        <button class="btn btn-primary btn-sm" name="do" value="redrive">Redrive</button> <button class="btn btn-death btn-sm" name="do" value="discard">Discard</button></form>
        """);

    private static void Body(HtmlWriter html, BrokerRequest request, string source, DeadLetterDesk.Detail detail)
    {
        var shown = request.Services.GetRequiredService<PayloadView>().Show(detail.Body);
        var isWhole = detail.Body.Length == detail.BodyLength;
        html.Write($"""<section><h2>Body</h2><p class="b-quiet">{(detail.ContentType is { Length: > 0 } type ? type + ", " : "")}{Words.Bytes(detail.BodyLength)}{(shown.IsMasked ? ", partly hidden" : "")}{(shown.IsCut || !isWhole ? ", of which the beginning is shown" : "")}</p>""");
        if (shown.Kind != PayloadKind.Empty)
            html.Write($"""<pre class="b-text" tabindex="0" aria-label="Body">{shown.Text}</pre>""");
        if (!request.CanAct || !detail.Letter.IsOpen)
        {
            html.Write($"</section>");
            return;
        }
        var text = shown.Kind == PayloadKind.Json ? shown.Text : isWhole && shown.Kind is PayloadKind.Text or PayloadKind.Empty ? Encoding.UTF8.GetString(detail.Body) : null;
        if (shown.IsMasked || shown.IsCut || !isWhole || text is null || !HtmlWriter.ShowsAsItIs(text))
            html.Write($"""<p class="b-quiet">It cannot be edited here: only a body that is shown whole, as text without characters that control it, can. Use 'broker dead-letters redrive --id {detail.Letter.Id} --body FILE'.</p></section>""");
        else
        {
            html.Write($"""
                <details class="b-edit"><summary>Edit the body and redrive</summary><form method="post" action="{request.Link(LetterActions.EditPathOf(source, detail.Letter.Id))}">{Parts.Token(request)}
                <label class="b-block">Body <textarea name="body" class="form-control" rows="12" spellcheck="false">
                """);
            // A browser leaves out the first line end of a text area.
            html.Write($"\n{text}</textarea></label>");
            html.Write($"""
                <div class="b-act"><label class="b-grow">Reason <input type="text" name="reason" maxlength="500" class="form-control input-sm" placeholder="kept in the audit log with the body from before" autocomplete="off"></label>
                <button class="btn btn-primary btn-sm">Save and redrive</button></div></form></details></section>
                """);
        }
    }

    private static void Headers(HtmlWriter html, DeadLetterDesk.Detail detail)
    {
        html.Write($"<section><h2>Headers</h2>");
        if (string.IsNullOrEmpty(detail.Headers))
        {
            html.Empty("None.").Write($"</section>");
            return;
        }
        Dictionary<string, string>? headers = null;
        try
        {
            headers = JsonConvert.DeserializeObject<Dictionary<string, string>>(detail.Headers);
        }
        catch (JsonException)
        {
            // Shown as they are: perhaps they are the reason why it is here.
        }
        if (headers is null)
            html.Write($"""<p class="b-quiet">No JSON object of texts; as they were written:</p><pre class="b-text" tabindex="0">{detail.Headers}</pre>""");
        else
        {
            html.Write($"""<table class="table b-table b-headers"><caption class="sr-only">Headers</caption><tbody>""");
            foreach (var (name, value) in headers.OrderBy(h => h.Key, StringComparer.Ordinal))
                html.Write($"""<tr><th scope="row" class="b-long">{name}</th><td class="b-long">{value}</td></tr>""");
            html.Write($"</tbody></table>");
        }
        html.Write($"</section>");
    }

    private static void History(HtmlWriter html, IReadOnlyList<DeadLetterDesk.Act> acts)
    {
        if (acts.Count == 0)
            return;
        html.Write($"""<section><h2>What was done</h2><ul class="b-history">""");
        foreach (var act in acts)
            html.Write($"<li>{Parts.Time(act.At)} UTC: {act.What} by {act.Actor}{(act.Reason is { } reason ? $": {reason}" : "")}{(act.KeepsBody ? " (the body from before is kept)" : "")}</li>");
        html.Write($"</ul></section>");
    }
}
