using Broker.Dashboard.Snapshots;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>What several pages are made of.</summary>
internal static class Parts
{
    /// <summary>The address of a page of ours, below the dashboard's own path.</summary>
    public static string Link(this BrokerRequest request, string path) => request.Http.Request.PathBase + path;

    /// <summary>A part of the page that the script fetches again, from a query that answers with <c>{"html": …}</c>.</summary>
    public static HtmlWriter Live(this HtmlWriter html, string address, HtmlText content) =>
        html.Write($"""<div class="js-live" data-live="{address}"><p class="b-stale" role="alert" hidden>This page is not up to date: the worker does not answer.</p><div class="js-live-content">{content}</div></div>""");

    /// <summary>What is shown instead of an empty table.</summary>
    public static HtmlWriter Empty(this HtmlWriter html, string text) => html.Write($"""<p class="b-empty">{text}</p>""");

    /// <summary>Something that could not be shown: what happened, and what to do.</summary>
    public static HtmlWriter Failure(this HtmlWriter html, string what, string? why = null) =>
        html.Write($"""<div class="b-note b-stopped" role="alert"><strong>{what}</strong>{(why is null ? default : Small(why))}</div>""");

    /// <summary>That a source does not answer, and since when.</summary>
    public static HtmlWriter Down(this HtmlWriter html, SourceSnapshot snapshot) =>
        html.Failure($"Source {snapshot.Name} does not answer since {Words.Moment(snapshot.Since.UtcDateTime)} UTC", $"{snapshot.Trouble} – the other sources are not affected.");

    /// <summary>A choice between sources, as links.</summary>
    public static HtmlWriter Sources(this HtmlWriter html, BrokerRequest request, IReadOnlyList<SourceSnapshot> snapshots, string? chosen, Func<string, string> pathOf)
    {
        if (snapshots.Count < 2)
            return html;
        html.Write($"""<nav class="b-sources" aria-label="Source">""");
        foreach (var snapshot in snapshots)
            html.Write($"""<a href="{request.Link(pathOf(snapshot.Name))}"{(snapshot.Name == chosen ? Current : default)}>{snapshot.Name}</a> """);
        return html.Write($"</nav>");
    }

    /// <summary>A moment, UTC, that a screen reader and the script can read too.</summary>
    public static HtmlText Time(DateTime? at) => at is not { } moment ? default
        : new HtmlWriter().Write($"""<time datetime="{Words.Exact(moment).Replace(' ', 'T')}Z" title="{Words.Exact(moment)} UTC">{Words.Moment(moment)}</time>""").ToHtml();

    /// <summary>The token without which no action is taken.</summary>
    public static HtmlText Token(BrokerRequest request)
    {
        var tokens = request.Services.GetRequiredService<IAntiforgery>().GetAndStoreTokens(request.Http);
        return new HtmlWriter().Write($"""<input type="hidden" name="{tokens.FormFieldName}" value="{tokens.RequestToken}">""").ToHtml();
    }

    /// <summary>A label.</summary>
    public static HtmlText Label(string text, string kind = "") => new HtmlWriter().Write($"""<span class="b-label {kind}">{text}</span>""").ToHtml();

    /// <summary>A choice of a form.</summary>
    public static HtmlWriter Select(this HtmlWriter html, string name, string label, string? chosen, params (string Value, string Text)[] options)
    {
        html.Write($"""<label>{label} <select name="{name}" class="form-control input-sm">""");
        foreach (var (value, text) in options)
            html.Write($"""<option value="{value}"{(value == (chosen ?? "") ? Selected : default)}>{text}</option>""");
        return html.Write($"</select></label>");
    }

    /// <summary>A text of a form.</summary>
    public static HtmlWriter Input(this HtmlWriter html, string name, string label, string? value, string type = "text") =>
        html.Write($"""<label>{label} <input type="{type}" name="{name}" value="{value}" class="form-control input-sm" autocomplete="off" spellcheck="false"></label>""");

    /// <summary>Links to the pages of a list before and behind this one.</summary>
    public static HtmlWriter Pager(this HtmlWriter html, BrokerRequest request, string? before, string? behind)
    {
        if (before is null && behind is null)
            return html;
        html.Write($"""<nav class="b-pager" aria-label="Pages">""");
        if (before is not null)
            html.Write($"""<a class="btn btn-default btn-sm" rel="prev" href="{request.Link(before)}">← Previous</a> """);
        if (behind is not null)
            html.Write($"""<a class="btn btn-default btn-sm" rel="next" href="{request.Link(behind)}">Next →</a>""");
        return html.Write($"</nav>");
    }

    /// <summary>Sends the browser from an action to a page, so that a reload does not act again.</summary>
    public static void GoTo(this BrokerRequest request, string path)
    {
        request.Http.Response.StatusCode = StatusCodes.Status303SeeOther;
        request.Http.Response.Headers.Location = request.Link(path);
    }

    /// <summary>A query string of what is set.</summary>
    public static string Query(params (string Name, string? Value)[] values)
    {
        var set = string.Join('&', values.Where(v => !string.IsNullOrEmpty(v.Value)).Select(v => $"{v.Name}={Uri.EscapeDataString(v.Value!)}"));
        return set.Length == 0 ? "" : "?" + set;
    }

    private static HtmlText Small(string text) => new HtmlWriter().Write($"<br>{text}").ToHtml();

    private static HtmlText Current { get; } = new HtmlWriter().Write($" aria-current=\"page\"").ToHtml();

    private static HtmlText Selected { get; } = new HtmlWriter().Write($" selected").ToHtml();
}
