using System.Globalization;
using Broker.Dashboard.Jobs;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>How far a job on many dead letters is, until it ends.</summary>
internal sealed class JobPage : DataPage
{
    /// <summary>Answers with the part that changes.</summary>
    public static Task LiveAsync(BrokerRequest request) => request.WriteAsync(new { html = Content(request).ToString() });

    /// <summary>Ends a job between two transactions.</summary>
    public static Task CancelAsync(BrokerRequest request)
    {
        request.Services.GetRequiredService<LetterJobs>().Cancel(request.Caught("Id"));
        request.GoTo(PathOf(request.Caught("Id")));
        return Task.CompletedTask;
    }

    internal static string PathOf(string id) => $"{BrokerRoutes.Prefix}/jobs/{Uri.EscapeDataString(id)}";

    protected override Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var job = request.Services.GetRequiredService<LetterJobs>().Find(request.Caught("Id"));
        if (job?.Work is not { } work)
        {
            request.Http.Response.StatusCode = StatusCodes.Status404NotFound;
            html.Failure("There is no such job any more", "Jobs that have ended are forgotten after a day.");
            return Task.CompletedTask;
        }
        Title = work.Discards ? "Discarding dead letters" : "Redriving dead letters";
        html.Write($"""<p class="b-up"><a href="{request.Link($"{BrokerRoutes.Prefix}/dead-letters{Parts.Query(("source", work.Source))}")}">← Dead letters of {work.Source}</a></p>""");
        html.Live(request.Link($"{BrokerRoutes.Prefix}/live/jobs/{Uri.EscapeDataString(job.Id)}"), Content(request));
        return Task.CompletedTask;
    }

    /// <summary>The jobs on a source that have not ended, as links.</summary>
    internal static void Running(HtmlWriter html, BrokerRequest request, string source)
    {
        foreach (var job in request.Services.GetRequiredService<LetterJobs>().Recent(10).Where(j => j.Work?.Source == source && !HasEnded(j)))
            html.Write($"""<p class="b-note b-decide" role="status">{(job.Work!.Discards ? "Letters are being discarded" : "Letters are being redriven")} by {job.Work.Actor}: {Done(job)}. <a href="{request.Link(PathOf(job.Id))}">See the job →</a></p>""");
    }

    private static HtmlText Content(BrokerRequest request)
    {
        var html = new HtmlWriter();
        if (request.Services.GetRequiredService<LetterJobs>().Find(request.Caught("Id")) is not { Work: { } work } job)
            return html.Empty("There is no such job any more.").ToHtml();
        var (kind, text) = job.State switch
        {
            "Succeeded" => ("b-fine", $"Done: {Done(job)}."),
            "Deleted" => ("b-slow", $"Ended by an operator: {Done(job)}."),
            "Failed" => ("b-stopped", $"Failed after {Done(job)}. See the job in Hangfire's list of failed jobs; run again it goes on where it ended."),
            "Processing" => ("b-decide", $"{Done(job)}."),
            "Scheduled" => ("b-slow", $"It met an error and is tried again: {Done(job)}."),
            _ => ("b-decide", "It waits for a worker with the role 'jobs'."),
        };
        html.Write($"""<p class="b-verdict {kind}" role="status">{text}</p>""");
        if (job.Total > 0)
            html.Write($"""<progress class="b-progress" max="{job.Total}" value="{job.Done}" aria-label="Letters that are done"></progress>""");
        html.Write($"""
            <dl class="b-facts"><div><dt>Source</dt><dd>{work.Source}</dd></div><div><dt>Asked for by</dt><dd>{work.Actor}</dd></div><div class="b-wide"><dt>Reason</dt><dd>{work.Reason ?? "–"}</dd></div>
            <div class="b-wide"><dt>Which letters</dt><dd>{Which(work)}</dd></div></dl>
            """);
        if (request.CanAct && !HasEnded(job))
            html.Write($"""<form method="post" action="{request.Link($"{BrokerRoutes.Prefix}/act/jobs/{Uri.EscapeDataString(job.Id)}")}">{Parts.Token(request)}<button class="btn btn-death btn-sm">End it</button> <span class="b-quiet">What is done stays done.</span></form>""");
        return html.ToHtml();
    }

    private static string Done(JobProgress job) => job.Total == 0 ? Words.Several(job.Done, "letter") : string.Create(CultureInfo.InvariantCulture, $"{job.Done:N0} of {job.Total:N0}{(job.IsMore ? "+" : "")} letters");

    private static string Which(LetterWork work)
    {
        var search = new LetterSearch(null, work.Filter, "", null, false);
        var chosen = search.Values.Where(v => !string.IsNullOrEmpty(v.Value)).Select(v => $"{v.Name} {v.Value}").ToList();
        return chosen.Count == 0 ? "all that waited for an operator when it was asked for" : string.Join(", ", chosen);
    }

    private static bool HasEnded(JobProgress job) => job.State is "Succeeded" or "Deleted" or "Failed";
}
