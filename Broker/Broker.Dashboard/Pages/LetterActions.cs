using System.Globalization;
using System.Text;
using Broker.Dashboard.Jobs;
using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Broker.Dashboard.Pages;

/// <summary>What an operator does with dead letters. Each is a POST that ends in a page, so a reload does nothing again; what was done is in the audit log with the name that logged in.</summary>
internal static class LetterActions
{
    /// <summary>The longest form: a body that may be edited, as a browser encodes it.</summary>
    public const long MostBytes = 4 * DeadLetterPage.MostBody;

    private const int LongestReason = 500;

    /// <summary>Where the forms go.</summary>
    public static string PathOf(string source) => $"{BrokerRoutes.Prefix}/act/dead-letters/{Uri.EscapeDataString(source)}";

    /// <summary>Where a letter's body is edited.</summary>
    public static string EditPathOf(string source, long id) => string.Create(CultureInfo.InvariantCulture, $"{BrokerRoutes.Prefix}/act/dead-letters/{Uri.EscapeDataString(source)}/{id}");

    /// <summary>Redrives or discards the chosen letters, or starts a job for all that the filter finds.</summary>
    public static async Task ActAsync(BrokerRequest request)
    {
        var form = await request.ReadFormAsync().ConfigureAwait(false);
        if (request.Sources.Find(request.Caught("Source")) is not { } source)
        {
            await request.RefuseAsync(StatusCodes.Status404NotFound, "There is no source of this name any more. Go back to the overview.").ConfigureAwait(false);
            return;
        }
        var search = LetterSearch.Of(form) with { Source = source.Name };
        var ids = form["id"].Select(text => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0).Where(id => id > 0).Distinct().Take(LetterSearch.PageSize).ToList();
        var reason = ReasonOf(form);
        var act = (string?)form["do"];
        try
        {
            await ActAsync(request, source, search, ids, act, reason).ConfigureAwait(false);
        }
        catch (SourceUnavailableException)
        {
            Back(request, search, "unknown", 0);
        }
    }

    private static async Task ActAsync(BrokerRequest request, DashboardSource source, LetterSearch search, List<long> ids, string? act, string? reason)
    {
        if (act is "discard" or "discard-all" && reason is null)
            Back(request, search, "no-reason", 0);
        else if ((act is "redrive-all" or "discard-all") && !request.Services.GetRequiredService<JobsSettings>().CanRun)
            Back(request, search, "no-jobs", 0);
        else if (act is "redrive-all" or "discard-all")
            await StartJobAsync(request, source, search.Filter, act == "discard-all", reason).ConfigureAwait(false);
        else if (ids.Count == 0 || act is not ("redrive" or "discard"))
            Back(request, search, "none", 0);
        else
        {
            var filter = new DeadLetterDesk.Filter(Ids: ids);
            var desk = DeskOf(source, request);
            var count = await SourceQueries.GuardAsync(source, token => act == "redrive" ? desk.RedriveAsync(filter, reason, token) : desk.DiscardAsync(filter, reason!, token), CancellationToken.None).ConfigureAwait(false);
            Back(request, search, count == 0 ? "none" : act == "redrive" ? "redriven" : "discarded", count);
        }
    }

    /// <summary>Replaces the body of a letter and puts it back.</summary>
    public static async Task EditAsync(BrokerRequest request)
    {
        var form = await request.ReadFormAsync().ConfigureAwait(false);
        if (request.Sources.Find(request.Caught("Source")) is not { } source || !long.TryParse(request.Caught("Id"), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
        {
            await request.RefuseAsync(StatusCodes.Status404NotFound, "There is no such letter any more. Go back to the overview.").ConfigureAwait(false);
            return;
        }
        // Browsers send line ends as CR LF, whatever the text had.
        var body = Encoding.UTF8.GetBytes(((string?)form["body"] ?? "").Replace("\r\n", "\n", StringComparison.Ordinal));
        var desk = DeskOf(source, request);
        var search = new LetterSearch(source.Name, new DeadLetterDesk.Filter(), "", null, false);
        try
        {
            var count = await SourceQueries.GuardAsync(source, token => desk.RedriveEditedAsync(id, body, ReasonOf(form), token), CancellationToken.None).ConfigureAwait(false);
            Back(request, search, count == 0 ? "none" : "redriven", count);
        }
        catch (SourceUnavailableException)
        {
            Back(request, search, "unknown", 0);
        }
    }

    private static async Task StartJobAsync(BrokerRequest request, DashboardSource source, DeadLetterDesk.Filter filter, bool discards, string? reason)
    {
        var jobs = request.Services.GetRequiredService<LetterJobs>();
        var id = await SourceQueries.GuardAsync(source, token => discards ? jobs.DiscardAsync(source.Name, filter, reason!, request.Actor, token) : jobs.RedriveAsync(source.Name, filter, reason, request.Actor, token), request.Cancelled).ConfigureAwait(false);
        request.GoTo(JobPage.PathOf(id));
    }

    private static DeadLetterDesk DeskOf(DashboardSource source, BrokerRequest request) => new(source.DataSource, source.Dialect, request.Actor);

    private static string? ReasonOf(IFormCollection form) => ((string?)form["reason"])?.Trim() is { Length: > 0 } reason ? Words.Cut(reason, LongestReason) : null;

    private static void Back(BrokerRequest request, LetterSearch search, string done, int count)
    {
        var path = search.PathOf();
        request.GoTo($"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}done={done}&count={count.ToString(CultureInfo.InvariantCulture)}");
    }
}
