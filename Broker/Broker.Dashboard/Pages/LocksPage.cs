using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Locks;

namespace Broker.Dashboard.Pages;

/// <summary>The locks in a source's database: who holds which, since when, for how long, who waits; and a way to take one away.</summary>
internal sealed class LocksPage : DataPage
{
    private const int LongestReason = 500;

    public static string PathOf(string source, string? done = null) => $"{BrokerRoutes.Prefix}/locks{Parts.Query(("source", source), ("done", done))}";

    /// <summary>Where the form goes.</summary>
    public static string StealPathOf(string source) => $"{BrokerRoutes.Prefix}/act/locks/{Uri.EscapeDataString(source)}";

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        var asked = request.Query("source");
        var snapshot = snapshots.FirstOrDefault(s => asked is null || s.Name == asked);
        html.Sources(request, snapshots, snapshot?.Name, name => PathOf(name));
        if (snapshot is null)
        {
            html.Failure(snapshots.Count == 0 ? "No source is configured" : $"There is no source '{asked}'", "Choose one above.");
            return;
        }
        Said(html, request);
        if (snapshot.Trouble is not null)
        {
            html.Down(snapshot);
            return;
        }
        try
        {
            var desk = new LockDesk(snapshot.Source.DataSource, snapshot.Source.Dialect, request.Actor);
            List(html, request, snapshot.Name, await SourceQueries.GuardAsync(snapshot.Source, desk.ListAsync, request.Cancelled).ConfigureAwait(false));
        }
        catch (SourceUnavailableException exception)
        {
            html.Failure("The locks cannot be listed now", exception.Message);
        }
    }

    /// <summary>Takes a lock away. A POST that ends in the page; what was done is in the audit log.</summary>
    public static async Task StealAsync(BrokerRequest request)
    {
        var form = await request.ReadFormAsync().ConfigureAwait(false);
        if (request.Sources.Find(request.Caught("Source")) is not { } source)
        {
            await request.RefuseAsync(StatusCodes.Status404NotFound, "There is no source of this name any more. Go back to the overview.").ConfigureAwait(false);
            return;
        }
        var (name, reason) = ((string?)form["name"], ((string?)form["reason"])?.Trim());
        if (string.IsNullOrEmpty(name) || string.IsNullOrEmpty(reason))
        {
            request.GoTo(PathOf(source.Name, "no-reason"));
            return;
        }
        try
        {
            var desk = new LockDesk(source.DataSource, source.Dialect, request.Actor);
            var isStolen = await SourceQueries.GuardAsync(source, token => desk.StealAsync(name, Words.Cut(reason, LongestReason), token), CancellationToken.None).ConfigureAwait(false);
            request.GoTo(PathOf(source.Name, isStolen ? "stolen" : "free"));
        }
        catch (SourceUnavailableException)
        {
            request.GoTo(PathOf(source.Name, "unknown"));
        }
    }

    private static void Said(HtmlWriter html, BrokerRequest request)
    {
        var text = request.Query("done") switch
        {
            "stolen" => "The lock is taken away from its holder, and free. What that holder guards by it fails from now on.",
            "free" => "Nothing was done: nobody holds that lock any more.",
            "no-reason" => "Nothing was done: choose a lock, and say why.",
            "unknown" => "The source did not answer, so it is not known whether it was done. The audit log will say.",
            _ => null,
        };
        if (text is not null)
            html.Write($"""<p class="b-note {(request.Query("done") == "stolen" ? "b-fine" : "b-slow")}" role="status">{text}</p>""");
    }

    private static void List(HtmlWriter html, BrokerRequest request, string source, IReadOnlyList<LockStanding> locks)
    {
        if (locks.Count == 0)
        {
            html.Empty("No lock is held in this database.");
            return;
        }
        if (request.CanAct)
            html.Write($"""<form method="post" action="{request.Link(StealPathOf(source))}">{Parts.Token(request)}""");
        html.Write($"""<table class="table b-table b-cards"><caption class="sr-only">Locks</caption><thead><tr>""");
        if (request.CanAct)
            html.Write($"""<th scope="col" class="b-check"><span class="sr-only">Choose</span></th>""");
        html.Write($"""<th scope="col">Lock</th><th scope="col">Holder</th><th scope="col" class="n">Token</th><th scope="col">Since (UTC)</th><th scope="col" class="n">Expires in</th><th scope="col" class="n">Processes waiting</th></tr></thead><tbody>""");
        foreach (var held in locks)
        {
            html.Write($"<tr>");
            if (request.CanAct)
                html.Write($"""<td class="b-check"><label><input type="radio" name="name" value="{held.Name}"><span class="sr-only">Choose lock {held.Name}</span></label></td>""");
            html.Write($"""
                <td data-label="Lock" class="b-long"><code>{held.Name}</code></td><td data-label="Holder" class="b-long">{held.Owner}</td><td class="n" data-label="Token">{held.Token}</td>
                <td data-label="Since">{Parts.Time(held.Since)}</td><td class="n" data-label="Expires in">{Words.Span(held.ExpiresIn)}</td><td class="n" data-label="Processes waiting">{held.Waiters}</td></tr>
                """);
        }
        html.Write($"</tbody></table>");
        if (!request.CanAct)
            return;
        html.Write($"""
            <fieldset class="b-act"><legend>With the chosen lock</legend>
            <label class="b-grow">Reason <input type="text" name="reason" maxlength="500" required class="form-control input-sm" placeholder="kept in the audit log" autocomplete="off"></label>
            <button class="btn btn-death btn-sm">Take it away</button></fieldset></form>
            """);
    }
}
