using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>One source: its partitions and who holds them, what is blocked, what waits.</summary>
internal sealed class SourcePage : DataPage
{
    /// <summary>Answers with the part that changes.</summary>
    public static async Task LiveAsync(BrokerRequest request)
    {
        if (await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Caught("Source"), request.Cancelled).ConfigureAwait(false) is { } snapshot)
            await request.WriteAsync(new { html = Content(request, snapshot).ToString() }).ConfigureAwait(false);
        else
            await request.RefuseAsync(StatusCodes.Status404NotFound, "There is no source of this name any more.").ConfigureAwait(false);
    }

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var name = request.Caught("Source") is { Length: > 0 } asked ? asked : snapshots.Count > 0 ? snapshots[0].Name : "";
        html.Sources(request, snapshots, name, PathOf);
        if (snapshots.FirstOrDefault(s => s.Name == name) is not { } snapshot)
        {
            request.Http.Response.StatusCode = StatusCodes.Status404NotFound;
            html.Failure($"There is no source '{name}'", "Its name may have changed in the configuration. Choose one above, or see the overview.");
            return;
        }
        Title = $"Source {snapshot.Name}";
        html.Live(request.Link($"{BrokerRoutes.Prefix}/live{PathOf(name)[BrokerRoutes.Prefix.Length..]}"), Content(request, snapshot));
        if (snapshot.Survey is { } survey)
            await TypesAsync(html, request, snapshot, survey.Partitions).ConfigureAwait(false);
    }

    internal static string PathOf(string source) => $"{BrokerRoutes.Prefix}/sources/{Uri.EscapeDataString(source)}";

    private static HtmlText Content(BrokerRequest request, SourceSnapshot snapshot)
    {
        var html = new HtmlWriter();
        if (snapshot.Trouble is not null)
            html.Down(snapshot);
        html.Charts([snapshot], request.Services.GetRequiredService<TimeProvider>().GetUtcNow());
        if (snapshot.Survey is not { } survey)
            return snapshot.Trouble is null ? html.Empty("The source has not been asked yet.").ToHtml() : html.ToHtml();
        const int limit = SourceSurvey.CountLimit;
        html.Write($"""
            <dl class="b-facts"><div><dt>Engine</dt><dd>{snapshot.Source.Dialect.Name}</dd></div><div><dt>Exchange</dt><dd>{snapshot.Source.Exchange}</dd></div>
            <div><dt>Partitions</dt><dd>{survey.Partitions}{(survey.Change == 0 ? "" : ", being changed")}</dd></div><div><dt>Waiting</dt><dd>{(survey.IsEstimate ? "~" : "")}{Words.Number(survey.Backlog)}</dd></div>
            <div><dt>Due later</dt><dd>{Words.Counted(survey.Scheduled, limit)}</dd></div><div><dt>Numbers given out</dt><dd>{Words.Number(survey.LastSequence)}</dd></div></dl>
            """);
        Partitions(html, survey);
        Blocked(html, request, snapshot, survey);
        Relays(html, survey);
        return html.ToHtml();
    }

    private static void Partitions(HtmlWriter html, SourceSurvey survey)
    {
        html.Write($"""
            <section><h2>Partitions</h2><table class="table b-table b-cards"><caption class="sr-only">Partitions and their leases</caption><thead><tr><th scope="col" class="n">Partition</th><th scope="col" class="n">Waiting</th>
            <th scope="col" class="n">Oldest</th><th scope="col">Held by</th><th scope="col" class="n">Token</th><th scope="col" class="n">Lease ends in</th></tr></thead><tbody>
            """);
        foreach (var rows in survey.Rows)
        {
            var lease = survey.Leases.FirstOrDefault(l => l.Name == FormattableString.Invariant($"relay/{rows.Partition}"));
            var isHeld = lease is not null && lease.Left > TimeSpan.Zero;
            html.Write($"""
                <tr><th scope="row" class="n">{rows.Partition}</th><td class="n" data-label="Waiting">{(rows.IsEstimate ? "~" : "")}{Words.Number(rows.Count)}</td>
                <td class="n" data-label="Oldest">{(rows.Lag is { } lag ? Words.Span(lag) : "–")}</td><td data-label="Held by" class="b-long">{(isHeld ? OwnerOf(lease!.Owner) : Parts.Label("nobody", rows.Count > 0 ? "b-stopped" : "b-quiet"))}</td>
                <td class="n" data-label="Token">{(lease is null ? "–" : Words.Number(lease.Token))}</td><td class="n" data-label="Lease ends in">{(isHeld ? Words.Span(lease!.Left) : "–")}</td></tr>
                """);
        }
        html.Write($"</tbody></table></section>");
    }

    private static void Blocked(HtmlWriter html, BrokerRequest request, SourceSnapshot snapshot, SourceSurvey survey)
    {
        var blocked = Problems.BlockedOf(survey);
        html.Write($"<section><h2>Blocked</h2>");
        if (blocked.Count == 0)
        {
            html.Empty(survey.Relays.Count == 0 ? "No relay runs that could tell." : "Nothing: each key and each type flows.").Write($"</section>");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">What does not flow</caption><thead><tr><th scope="col">What</th><th scope="col">Why</th><th scope="col">Since (UTC)</th>
            <th scope="col" class="n">Rows waiting</th></tr></thead><tbody>
            """);
        foreach (var entry in blocked)
        {
            var (kind, text) = entry.State switch { "type" => ("b-slow", "type waits"), "retrying" => ("b-slow", "tried again"), _ => ("b-decide", "waits for an operator") };
            html.Write($"""<tr><td data-label="What" class="b-long">{Parts.Label(text, kind)} {(entry.Key is { } key ? $"key {key}" : "")} <code>{entry.Type}</code></td><td data-label="Why" class="b-long">{entry.Reason}""");
            if (entry is { State: "dead-letter", Key: { } blockedKey })
                html.Write($""" <a href="{request.Link($"{BrokerRoutes.Prefix}/dead-letters{Parts.Query(("source", snapshot.Name), ("key", blockedKey))}")}">Its dead letters →</a>""");
            html.Write($"""</td><td data-label="Since">{Parts.Time(entry.Since)}</td><td class="n" data-label="Rows waiting">{Words.Number(entry.Waiting)}</td></tr>""");
        }
        html.Write($"</tbody></table></section>");
    }

    private static void Relays(HtmlWriter html, SourceSurvey survey)
    {
        html.Write($"<section><h2>Relays</h2>");
        if (survey.Relays.Count == 0)
        {
            html.Empty("None lives. Start 'broker run', or the service whose relay this is.").Write($"</section>");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Relays</caption><thead><tr><th scope="col">Relay</th><th scope="col" class="n">Running for</th><th scope="col">Holds partitions</th></tr></thead><tbody>
            """);
        foreach (var relay in survey.Relays)
        {
            var held = survey.Leases.Where(l => l.Owner == relay.Owner && l.Left > TimeSpan.Zero && l.Name.StartsWith("relay/", StringComparison.Ordinal)).Select(l => l.Name["relay/".Length..]).ToList();
            html.Write($"""
                <tr><td data-label="Relay" class="b-long">{OwnerOf(relay.Owner)}</td><td class="n" data-label="Running for">{Words.Span(relay.Running)}</td>
                <td data-label="Holds partitions">{(held.Count == 0 ? "none: stands by" : string.Join(", ", held))}</td></tr>
                """);
        }
        html.Write($"</tbody></table></section>");
    }

    private static async Task TypesAsync(HtmlWriter html, BrokerRequest request, SourceSnapshot snapshot, int partitions)
    {
        html.Write($"<section><h2>Waiting by type</h2>");
        try
        {
            var waiting = await request.Services.GetRequiredService<SourceQueries>().WaitingByTypeAsync(snapshot.Source, partitions, request.Cancelled).ConfigureAwait(false);
            if (waiting.Count == 0)
                html.Empty("Nothing waits.");
            else
            {
                html.Write($"""<table class="table b-table b-cards"><caption class="sr-only">Waiting rows by type</caption><thead><tr><th scope="col">Type</th><th scope="col" class="n">Rows</th><th scope="col" class="n">Oldest</th></tr></thead><tbody>""");
                foreach (var type in waiting)
                    html.Write($"""<tr><td data-label="Type" class="b-long"><code>{type.Type}</code></td><td class="n" data-label="Rows">{Words.Number(type.Rows)}</td><td class="n" data-label="Oldest">{Words.Span(type.Oldest)}</td></tr>""");
                html.Write($"</tbody></table>");
                if (waiting.Sum(w => w.Rows) >= SourceSurvey.CountLimit)
                    html.Write($"""<p class="b-quiet">Counted among the first {Words.Number(SourceSurvey.CountLimit)} rows of each partition.</p>""");
            }
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("The waiting rows cannot be counted now", exception.Message);
        }
        html.Write($"</section>");
    }

    /// <summary>Machine and process of an owner; the rest tells runs apart, not people.</summary>
    internal static HtmlText OwnerOf(string owner)
    {
        var parts = owner.Split('/');
        return parts.Length < 3 ? new HtmlWriter().Write($"{owner}").ToHtml() : new HtmlWriter().Write($"""<span title="{owner}">{parts[0]} · process {parts[1]}</span>""").ToHtml();
    }
}
