using System.Text;
using Broker.Dashboard.Security;
using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Outbox;

namespace Broker.Dashboard.Pages;

/// <summary>One saga: where it stands, its history, and what can be done while it is parked.</summary>
internal sealed class SagaPage : DataPage
{
    private const int LongestReason = 500;

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var (name, type, id) = (request.Caught("Source"), request.Caught("Saga"), request.Query("id") ?? "");
        if (request.Sources.Find(name) is not { } source)
        {
            request.Http.Response.StatusCode = StatusCodes.Status404NotFound;
            html.Failure($"There is no source '{name}'", "Its name may have changed in the configuration. See the overview.");
            return;
        }
        Title = $"{type} {id}";
        html.Write($"""<p class="b-up"><a href="{request.Link(SagasPage.PathOf(name, new SagaDesk.Filter()))}">← Sagas of {name}</a></p>""");
        Said(html, request.Query("done"));
        try
        {
            var desk = new SagaDesk(source.DataSource, source.Dialect, request.Actor);
            if (await SourceQueries.GuardAsync(source, token => desk.FindAsync(type, id, token), request.Cancelled).ConfigureAwait(false) is not { } saga)
            {
                request.Http.Response.StatusCode = StatusCodes.Status404NotFound;
                html.Empty($"There is no saga '{type}' {id} in source {name}.");
                return;
            }
            Standing(html, request, name, saga);
            History(html, request, await SourceQueries.GuardAsync(source, token => desk.HistoryAsync(type, id, token), request.Cancelled).ConfigureAwait(false));
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("The saga cannot be read now", exception.Message);
        }
    }

    internal static string PathOf(string source, string type, string id) => $"{BrokerRoutes.Prefix}/sagas/{Uri.EscapeDataString(source)}/{Uri.EscapeDataString(type)}{Parts.Query(("id", id))}";

    /// <summary>Lets a saga retry, or gives its operation up. It ends in a page, so a reload does nothing again; what was done is in the saga's history with the name that logged in.</summary>
    public static async Task ActAsync(BrokerRequest request)
    {
        var form = await request.ReadFormAsync().ConfigureAwait(false);
        var (type, id) = (request.Caught("Saga"), (string?)form["id"] ?? "");
        if (request.Sources.Find(request.Caught("Source")) is not { } source)
        {
            await request.RefuseAsync(StatusCodes.Status404NotFound, "There is no source of this name any more. Go back to the overview.").ConfigureAwait(false);
            return;
        }
        var reason = ((string?)form["reason"])?.Trim() is { Length: > 0 } text ? Words.Cut(text, LongestReason) : null;
        var desk = new SagaDesk(source.DataSource, source.Dialect, request.Actor);
        string done;
        try
        {
            done = ((string?)form["do"], reason) switch
            {
                ("retry", _) => await TellAsync(source, token => desk.RetryAsync(type, id, reason, token), "retry").ConfigureAwait(false),
                ("give-up", null) => "no-reason",
                ("give-up", { } why) => await TellAsync(source, token => desk.GiveUpAsync(type, id, why, token), "give-up").ConfigureAwait(false),
                _ => "none",
            };
        }
        catch (OutboxConfigurationException)
        {
            done = "none";
        }
        catch (SourceUnavailableException)
        {
            done = "unknown";
        }
        request.GoTo($"{PathOf(source.Name, type, id)}&done={done}");
    }

    private static Task<string> TellAsync(DashboardSource source, Func<CancellationToken, Task> tellAsync, string done) => SourceQueries.GuardAsync(source, async token =>
    {
        await tellAsync(token).ConfigureAwait(false);
        return done;
    }, CancellationToken.None);

    private static void Said(HtmlWriter html, string? done)
    {
        var text = done switch
        {
            "retry" => "The saga is told to try again. It does so when its service gets the message.",
            "give-up" => "The saga is told that the operation is given up. It goes on when its service gets the message.",
            "no-reason" => "Nothing was done: giving up needs a reason.",
            "none" => "Nothing was done: the saga is gone, has ended, or goes on by itself.",
            "unknown" => "The database did not answer, so it is not known whether anything was done. Look at the history.",
            _ => null,
        };
        if (text is not null)
            html.Write($"""<div class="b-note b-quiet-note" role="status">{text}</div>""");
    }

    private static void Standing(HtmlWriter html, BrokerRequest request, string source, SagaDesk.Standing saga)
    {
        html.Write($"""
            <div class="b-note {(saga.Status == "parked" ? "b-decide" : "b-quiet-note")}"><strong>{saga.Trouble ?? saga.Reason ?? saga.Status}</strong> {SagasPage.StatusLabel(saga.Status)}</div>
            <dl class="b-facts"><div class="b-wide"><dt>Saga</dt><dd><code>{saga.Type}</code></dd></div><div class="b-wide"><dt>Id</dt><dd class="b-mono">{saga.Id}</dd></div>
            <div><dt>Stands at</dt><dd>{(saga.Step is null ? "–" : $"{saga.Step}: {saga.Operation}")}</dd></div><div><dt>Attempt</dt><dd>{saga.Attempt}</dd></div>
            <div><dt>Begun (UTC)</dt><dd>{Parts.Time(saga.CreatedAt)}</dd></div><div><dt>Changed (UTC)</dt><dd>{Parts.Time(saga.UpdatedAt)}</dd></div>
            """);
        if (saga.Deadline is not null)
            html.Write($"<div><dt>Deadline (UTC)</dt><dd>{Parts.Time(saga.Deadline)}</dd></div>");
        if (saga.Reason is not null)
            html.Write($"""<div class="b-wide"><dt>Turned back because</dt><dd>{saga.Reason}</dd></div>""");
        html.Write($"</dl>");
        if (request.CanAct && !saga.HasEnded)
        {
            html.Write($"""
                <form class="b-act" method="post" action="{request.Link($"{BrokerRoutes.Prefix}/act/sagas/{Uri.EscapeDataString(source)}/{Uri.EscapeDataString(saga.Type)}")}">{Parts.Token(request)}<input type="hidden" name="id" value="{saga.Id}">
                <label class="b-grow">Reason <input type="text" name="reason" maxlength="500" class="form-control input-sm" placeholder="needed to give up; kept in the history" autocomplete="off"></label>
                <button class="btn btn-primary btn-sm" name="do" value="retry">Retry</button>
                """);
            if (saga.Status == "parked")
                html.Write($""" <button class="btn btn-death btn-sm" name="do" value="give-up">Give up</button>""");
            html.Write($"</form>");
        }
        var shown = request.Services.GetRequiredService<PayloadView>().Show(Encoding.UTF8.GetBytes(saga.State));
        html.Write($"""<section><h2>State</h2><pre class="b-text" tabindex="0" aria-label="State">{shown.Text}</pre></section>""");
    }

    private static void History(HtmlWriter html, BrokerRequest request, IReadOnlyList<SagaDesk.Entry> entries)
    {
        html.Write($"""
            <section><h2>History</h2><table class="table b-table b-cards"><caption class="sr-only">History</caption><thead><tr><th scope="col">At (UTC)</th><th scope="col">Step</th><th scope="col">Operation</th><th scope="col">What</th>
            <th scope="col" class="n">Attempt</th><th scope="col">By</th><th scope="col">Reason</th></tr></thead><tbody>
            """);
        foreach (var entry in entries)
        {
            html.Write($"""<tr><td data-label="At">{Parts.Time(entry.At)}</td><td data-label="Step">{entry.Step ?? "–"}</td><td data-label="Operation">{entry.Operation ?? "–"}</td><td data-label="What">""");
            if (entry.MessageId is { } message)
                html.Write($"""<a href="{request.Link(MessagePage.PathOf(message))}">{entry.Event}</a>""");
            else
                html.Write($"{entry.Event}");
            html.Write($"""</td><td class="n" data-label="Attempt">{(entry.Attempt > 0 ? Words.Number(entry.Attempt) : "")}</td><td data-label="By">{entry.Actor ?? "–"}</td><td data-label="Reason" class="b-long b-reason">{entry.Reason}</td></tr>""");
        }
        html.Write($"</tbody></table></section>");
    }
}
