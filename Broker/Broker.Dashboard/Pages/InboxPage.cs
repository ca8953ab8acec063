using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>The consumers of a source's database: their processes, what they have applied, the copies that changed nothing, and the numbers that are missing.</summary>
internal sealed class InboxPage : DataPage
{
    private const int MostGaps = 100;

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var asked = request.Query("source");
        var snapshot = asked is null ? snapshots.OrderByDescending(s => s.Survey?.Consumers.Count ?? 0).FirstOrDefault() : snapshots.FirstOrDefault(s => s.Name == asked);
        html.Sources(request, snapshots, snapshot?.Name, name => $"{BrokerRoutes.Prefix}/inbox{Parts.Query(("source", name))}");
        if (snapshot is null)
        {
            html.Failure(snapshots.Count == 0 ? "No source is configured" : $"There is no source '{asked}'", "Choose one above.");
            return;
        }
        if (snapshot.Survey is not { } survey)
        {
            if (snapshot.Trouble is not null)
                html.Down(snapshot);
            else
                html.Empty("The source has not been asked yet.");
            return;
        }
        try
        {
            var queries = request.Services.GetRequiredService<SourceQueries>();
            Consumers(html, request, snapshot, survey, await queries.ConsumersAsync(snapshot.Source, request.Cancelled).ConfigureAwait(false));
            Processes(html, survey);
            Gaps(html, await queries.GapsAsync(snapshot.Source, MostGaps, request.Cancelled).ConfigureAwait(false));
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("The inbox cannot be looked at now", exception.Message);
        }
    }

    private static void Consumers(HtmlWriter html, BrokerRequest request, SourceSnapshot snapshot, SourceSurvey survey, IReadOnlyList<SourceQueries.ConsumerInbox> known)
    {
        var standing = ConsumerStanding.Of(survey);
        var names = known.Select(k => k.Consumer).Union(standing.Select(s => s.Consumer)).Order(StringComparer.Ordinal).ToList();
        html.Write($"<section><h2>Consumers</h2>");
        if (names.Count == 0)
        {
            html.Empty("No consumer has worked in this database.").Write($"</section>");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Consumers</caption><thead><tr><th scope="col">Consumer</th><th scope="col" class="n">Processes</th><th scope="col" class="n">Lag</th><th scope="col" class="n">Applied</th>
            <th scope="col" class="n">Duplicates suppressed</th><th scope="col" class="n">Remembered</th><th scope="col" class="n">Deferred</th></tr></thead><tbody>
            """);
        foreach (var name in names)
        {
            var now = standing.FirstOrDefault(s => s.Consumer == name);
            var deferred = survey.Deferred.Where(d => d.Consumer == name).Sum(d => d.Count);
            html.Write($"""
                <tr><th scope="row" class="b-long">{name} {(now is null ? Parts.Label("no live process", "b-quiet") : default)}</th>
                <td class="n" data-label="Processes">{now?.Processes ?? 0}</td><td class="n" data-label="Lag">{(now?.Lag is { } lag ? Words.Span(lag) : "–")}</td>
                <td class="n" data-label="Applied">{(now is null ? "–" : Words.Number(now.Applied))}</td><td class="n" data-label="Duplicates suppressed">{(now is null ? "–" : Words.Number(now.Duplicates))}</td>
                <td class="n" data-label="Remembered">{(known.FirstOrDefault(k => k.Consumer == name) is { } inbox ? Words.Counted(inbox.Remembered, SourceSurvey.CountLimit) : "–")}</td><td class="n" data-label="Deferred">
                """);
            if (deferred == 0)
                html.Write($"0</td></tr>");
            else
                html.Write($"""<a href="{request.Link(DeferredPage.PathOf(snapshot.Name, new DeferredDesk.Filter(name)))}">{Words.Counted(deferred, SourceSurvey.CountLimit)}</a></td></tr>""");
        }
        html.Write($"""</tbody></table><p class="b-quiet">Applied and suppressed: by the live processes since their start. Remembered: messages whose copies would change nothing.</p></section>""");
    }

    private static void Processes(HtmlWriter html, SourceSurvey survey)
    {
        if (survey.Consumers.Count == 0)
            return;
        html.Write($"""
            <section><h2>Processes</h2><table class="table b-table b-cards"><caption class="sr-only">Live processes of consumers</caption><thead><tr><th scope="col">Consumer</th><th scope="col">Process</th><th scope="col" class="n">Running for</th>
            <th scope="col" class="n">Applied</th><th scope="col" class="n">Duplicates</th><th scope="col" class="n">Failed attempts</th><th scope="col" class="n">Lag</th><th scope="col">Queues held</th></tr></thead><tbody>
            """);
        foreach (var process in survey.Consumers)
        {
            var standing = ConsumerStanding.Of(process);
            var queues = survey.Leases.Where(l => l.Left > TimeSpan.Zero && l.Owner == process.Owner && l.Name.StartsWith($"consumer/{process.Consumer}/", StringComparison.Ordinal) && l.Name.Contains("/partition/", StringComparison.Ordinal))
                .Select(l => l.Name[(l.Name.LastIndexOf('/') + 1)..]).ToList();
            html.Write($"""
                <tr><td data-label="Consumer">{process.Consumer}</td><td data-label="Process" class="b-long">{SourcePage.OwnerOf(process.Owner)}</td>
                <td class="n" data-label="Running for">{Words.Span(process.Running)}</td><td class="n" data-label="Applied">{Words.Number(standing.Applied)}</td><td class="n" data-label="Duplicates">{Words.Number(standing.Duplicates)}</td>
                <td class="n" data-label="Failed attempts">{Words.Number(standing.Failures)}</td><td class="n" data-label="Lag">{(standing.Lag is { } lag ? Words.Span(lag) : "–")}</td><td data-label="Queues held">{(queues.Count == 0 ? "–" : string.Join(", ", queues))}</td></tr>
                """);
        }
        html.Write($"</tbody></table></section>");
    }

    private static void Gaps(HtmlWriter html, IReadOnlyList<SourceQueries.Gap> gaps)
    {
        html.Write($"<section><h2>Gaps</h2>");
        if (gaps.Count == 0)
        {
            html.Empty("No key waits for a number that has not come.").Write($"</section>");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Keys that wait for a number</caption><thead><tr><th scope="col">Consumer</th><th scope="col">Source</th><th scope="col">Key</th><th scope="col" class="n">Missing number</th>
            <th scope="col" class="n">For</th><th scope="col" class="n">Messages waiting</th></tr></thead><tbody>
            """);
        foreach (var gap in gaps)
        {
            html.Write($"""
                <tr><td data-label="Consumer">{gap.Consumer}</td><td data-label="Source">{gap.Source}</td><td data-label="Key" class="b-long">{gap.Key}</td><td class="n" data-label="Missing number">{Words.Number(gap.Missing)}</td>
                <td class="n" data-label="For">{Words.Span(gap.Since)}</td><td class="n" data-label="Messages waiting">{Words.Number(gap.Waiting)}</td></tr>
                """);
        }
        html.Write($"</tbody></table>{(gaps.Count >= MostGaps ? new HtmlWriter().Write($"<p class=\"b-quiet\">The {MostGaps} that wait longest.</p>").ToHtml() : default)}</section>");
    }
}
