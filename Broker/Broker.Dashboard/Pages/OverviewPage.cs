using Broker.Dashboard.Jobs;
using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>Whether events flow, what is stuck, since when and why, and where to mend it.</summary>
internal sealed class OverviewPage : DataPage
{
    /// <summary>Problems that are shown; the worst.</summary>
    private const int MostProblems = 12;

    /// <summary>Answers with the part that changes.</summary>
    public static async Task LiveAsync(BrokerRequest request) => await request.WriteAsync(new { html = (await ContentAsync(request).ConfigureAwait(false)).ToString() }).ConfigureAwait(false);

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request) => html.Live(request.Link($"{BrokerRoutes.Prefix}/live/overview"), await ContentAsync(request).ConfigureAwait(false));

    private static async Task<HtmlText> ContentAsync(BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var html = new HtmlWriter();
        if (snapshots.Count == 0)
            return html.Empty("No source is configured. Name one under Broker:Sources.").ToHtml();
        var problems = Problems.With(Problems.Of(snapshots), request.Services.GetRequiredService<Findings>().Current);
        Verdict(html, snapshots, problems);
        List(html, request, problems);
        html.Charts(snapshots, request.Services.GetRequiredService<TimeProvider>().GetUtcNow());
        Table(html, request, snapshots);
        if (request.Services.GetRequiredService<JobsSettings>().Storage.Notice is { } notice)
            html.Write($"""<p class="b-quiet">{notice}</p>""");
        return html.ToHtml();
    }

    private static void Verdict(HtmlWriter html, IReadOnlyList<SourceSnapshot> snapshots, IReadOnlyList<Problem> problems)
    {
        var unknown = snapshots.Count(s => s.Survey is null && s.Trouble is null);
        var stopped = problems.Where(p => p.Weight == ProblemWeight.Stopped).Select(p => p.Source).Distinct().Count();
        var (kind, text) = stopped > 0 ? ("b-stopped", $"Events do not flow in {stopped} of {Words.Several(snapshots.Count, "source")}.")
            : problems.Any(p => p.Weight == ProblemWeight.Slow) ? ("b-slow", "Events flow, but some wait.")
            : problems.Count > 0 ? ("b-decide", "Events flow. Some messages wait for a decision.")
            : unknown > 0 ? ("b-decide", $"Waiting for the first answer of {Words.Several(unknown, "source")}.")
            : ("b-fine", snapshots.Count == 1 ? "Events flow." : $"Events flow in all {snapshots.Count} sources.");
        html.Write($"""<p class="b-verdict {kind}" role="status">{text}</p>""");
    }

    private static void List(HtmlWriter html, BrokerRequest request, IReadOnlyList<Problem> problems)
    {
        if (problems.Count == 0)
            return;
        html.Write($"""<ul class="b-problems" aria-label="What does not flow">""");
        foreach (var problem in problems.Take(MostProblems))
        {
            var kind = problem.Weight switch { ProblemWeight.Stopped => "b-stopped", ProblemWeight.Slow => "b-slow", _ => "b-decide" };
            html.Write($"""<li class="{kind}"><strong>{problem.Source}: {problem.What}</strong>""");
            if (problem.Since is { } since)
                html.Write($" <span class=\"b-since\">since {Parts.Time(since)} UTC</span>");
            if (problem.Why is { } why)
                html.Write($"""<span class="b-why">{Words.Cut(why, 300)}</span>""");
            html.Write($"""<span class="b-remedy">{problem.Remedy}""");
            if (problem.Path is { } path)
                html.Write($""" <a href="{request.Link(path)}">Open<span class="sr-only"> {problem.Source}: {problem.What}</span> →</a>""");
            html.Write($"</span></li>");
        }
        if (problems.Count > MostProblems)
            html.Write($"<li>and {Words.Several(problems.Count - MostProblems, "more problem")}, in the sources below</li>");
        html.Write($"</ul>");
    }

    private static void Table(HtmlWriter html, BrokerRequest request, IReadOnlyList<SourceSnapshot> snapshots)
    {
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Sources</caption><thead><tr>
            <th scope="col">Source</th><th scope="col" class="n">Backlog</th><th scope="col" class="n">Oldest</th><th scope="col" class="n">In/s</th><th scope="col" class="n">Out/s</th><th scope="col" class="n">Relays</th>
            <th scope="col" class="n">Consumers</th><th scope="col" class="n">Lag</th><th scope="col" class="n">Deferred</th><th scope="col" class="n">Blocked keys</th><th scope="col" class="n">Dead letters</th></tr></thead><tbody>
            """);
        foreach (var snapshot in snapshots)
            Row(html, request, snapshot);
        html.Write($"</tbody></table>");
    }

    private static void Row(HtmlWriter html, BrokerRequest request, SourceSnapshot snapshot)
    {
        var name = Uri.EscapeDataString(snapshot.Name);
        html.Write($"""<tr><th scope="row"><a href="{request.Link($"{BrokerRoutes.Prefix}/sources/{name}")}">{snapshot.Name}</a> <span class="b-engine">{snapshot.Source.Dialect.Name}</span></th>""");
        if (snapshot.Survey is not { } survey)
        {
            html.Write($"""<td colspan="10" class="{(snapshot.Trouble is null ? "b-quiet" : "b-stopped-text")}">{(snapshot.Trouble is { } trouble ? $"does not answer since {Words.Moment(snapshot.Since.UtcDateTime)} UTC: {trouble}" : "not asked yet")}</td></tr>""");
            return;
        }
        const int limit = SourceSurvey.CountLimit;
        var consumers = ConsumerStanding.Of(survey);
        Cell(html, "Backlog", $"{(survey.IsEstimate ? "~" : "")}{Words.Number(survey.Backlog)}");
        Cell(html, "Oldest", survey.Lag is { } lag ? Words.Span(lag) : "–");
        Cell(html, "In/s", Words.Rate(snapshot.In));
        Cell(html, "Out/s", Words.Rate(snapshot.Out));
        Cell(html, "Relays", $"{survey.Relays.Count}");
        Cell(html, "Consumers", consumers.Count == 0 ? "–" : $"{consumers.Count}");
        Cell(html, "Lag", consumers.Max(c => c.Lag) is { } behind ? Words.Span(behind) : "–");
        Cell(html, "Deferred", Words.Counted(survey.DeferredMessages, limit), survey.DeferredMessages > 0 ? request.Link($"{BrokerRoutes.Prefix}/deferred?source={name}") : null);
        Cell(html, "Blocked keys", Words.Counted(survey.BlockedKeys, limit), survey.BlockedKeys > 0 ? request.Link($"{BrokerRoutes.Prefix}/dead-letters?source={name}&state=blocking") : null);
        Cell(html, "Dead letters", Words.Counted(survey.DeadLetters, limit), survey.DeadLetters > 0 ? request.Link($"{BrokerRoutes.Prefix}/dead-letters?source={name}") : null);
        html.Write($"</tr>");
    }

    private static void Cell(HtmlWriter html, string label, string value, string? link = null)
    {
        if (link is null)
            html.Write($"""<td class="n" data-label="{label}">{value}</td>""");
        else
            html.Write($"""<td class="n" data-label="{label}"><a href="{link}"><span class="sr-only">{label}: </span>{value}</a></td>""");
    }
}
