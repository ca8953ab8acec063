using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Dashboard.Pages;

/// <summary>Transactions over several databases: what has not ended, how often participants could commit, and the last decisions with each branch's vote and outcome.</summary>
internal sealed class TransactionsPage : DataPage
{
    private const int Shown = 50;

    /// <summary>Over how many decisions shares are measured.</summary>
    private const int Measured = 1_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var coordinators = request.Services.GetService<IDashboardCoordinators>()?.Current ?? [];
        if (coordinators.Count == 0)
        {
            html.Empty("No coordinator of transactions over several databases is configured (Broker:Coordinators).");
            return;
        }
        var asked = request.Query("coordinator");
        var coordination = asked is null ? coordinators[0] : coordinators.FirstOrDefault(c => c.Name == asked);
        if (coordinators.Count > 1)
        {
            html.Write($"""<nav class="b-sources" aria-label="Coordinator">""");
            foreach (var other in coordinators)
                html.Write($"""<a href="{request.Link($"{BrokerRoutes.Prefix}/transactions{Parts.Query(("coordinator", other.Name))}")}"{(other == coordination ? Current : default)}>{other.Name}</a> """);
            html.Write($"</nav>");
        }
        if (coordination is null)
        {
            html.Failure($"There is no coordinator '{asked}'", "Choose one above.");
            return;
        }
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(request.Cancelled);
        limit.CancelAfter(Patience);
        try
        {
            // Some drivers wait without asking the token.
            var (inDoubt, unreachable, decisions) = await Task.Run(() => AskAsync(coordination, limit.Token), limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
            foreach (var participant in unreachable)
                html.Failure($"Participant '{participant}' does not answer", "What is prepared there is not shown. Nothing of it is lost; it is finished when it is back.");
            InDoubt(html, inDoubt);
            Shares(html, VoteShares.Of(decisions));
            Decisions(html, [.. decisions.Take(Shown)]);
        }
        catch (OutboxConfigurationException exception)
        {
            html.Failure("The transactions cannot be listed", exception.Message);
        }
        catch (Exception exception) when (!request.Cancelled.IsCancellationRequested && (exception is OperationCanceledException || SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception)))
        {
            html.Failure("The transactions cannot be listed now", exception is OperationCanceledException ? $"{coordination.Store.Name} gave no answer within {Patience.TotalSeconds:0} s." : $"{coordination.Store.Name}: {SqlErrors.TextOf(exception)}.");
        }
    }

    private static async Task<(IReadOnlyList<InDoubtTransaction> InDoubt, IReadOnlyList<string> Unreachable, IReadOnlyList<Decision> Decisions)> AskAsync(Coordination coordination, CancellationToken cancellationToken)
    {
        var (found, unreachable) = await new InDoubtDesk(coordination).ListAsync(cancellationToken).ConfigureAwait(false);
        return (found, unreachable, await coordination.Store.ListAsync(onlyHeuristic: false, Measured, cancellationToken).ConfigureAwait(false));
    }

    private static void InDoubt(HtmlWriter html, IReadOnlyList<InDoubtTransaction> transactions)
    {
        html.Write($"<section><h2>In doubt</h2>");
        if (transactions.Count == 0)
        {
            html.Empty("Nothing is in doubt: every transaction has ended on one side.").Write($"</section>");
            return;
        }
        if (transactions.Max(t => t.OldestPrepared) is { } oldest)
            html.Write($"<p>The oldest branch has been prepared for <b>{Words.Span(oldest)}</b>, and holds its locks.</p>");
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Transactions in doubt</caption><thead><tr><th scope="col">Transaction</th><th scope="col">State</th><th scope="col">Decision</th>
            <th scope="col">Deadline (UTC)</th><th scope="col" class="n">Prepared for</th><th scope="col">Branches</th></tr></thead><tbody>
            """);
        foreach (var t in transactions)
        {
            html.Write($"""
                <tr><td data-label="Transaction" class="b-long"><code>{t.Id.ToString()}</code></td><td data-label="State">{Parts.Label(t.State, t.State is InDoubtTransaction.Lost or Decision.Heuristic ? "b-decide" : t.State == InDoubtTransaction.Late ? "b-slow" : "b-quiet")}</td>
                <td data-label="Decision" class="b-long">{(t.Decision is null ? "none" : $"{t.Decision.Word}, by {t.Decision.DecidedBy}")}</td><td data-label="Deadline">{Parts.Time(t.Id.Deadline)}</td>
                <td class="n" data-label="Prepared for">{(t.OldestPrepared is { } age ? Words.Span(age) : "–")}</td><td data-label="Branches" class="b-long">
                """);
            foreach (var branch in t.Branches)
                html.Write($"""<span class="b-sub">{branch.Participant}: {(branch.State ?? $"voted {branch.Vote}")}</span>""");
            html.Write($"</td></tr>");
        }
        html.Write($"""</tbody></table><p class="b-quiet">'broker in-doubt show' asks every participant for its evidence; 'commit' and 'rollback' decide what waits for you.</p></section>""");
    }

    private static void Shares(HtmlWriter html, VoteShares shares)
    {
        if (shares.Decided == 0)
            return;
        html.Write($"""
            <section><h2>How often it succeeds</h2><table class="table b-table b-cards"><caption class="sr-only">Votes of the participants</caption><thead><tr><th scope="col">Participant</th><th scope="col" class="n">Asked</th>
            <th scope="col" class="n">Voted yes</th><th scope="col" class="n">Share Pᵢ</th></tr></thead><tbody>
            """);
        foreach (var share in shares.Participants)
            html.Write($"""<tr><th scope="row" class="b-long">{share.Participant}</th><td class="n" data-label="Asked">{Words.Number(share.Asked)}</td><td class="n" data-label="Voted yes">{Words.Number(share.Yes)}</td><td class="n" data-label="Share">{Percent(share.P)}</td></tr>""");
        html.Write($"""
            </tbody></table><p>Expected of a transaction over all of them, P = ΠPᵢ: <b>{Percent(shares.Expected)}</b>. Really committed: <b>{Percent(shares.Actual!.Value)}</b> of the last {Words.Number(shares.Decided)} that came to a decision.</p>
            <p class="b-quiet">Pᵢ is the share of yes among the votes that a participant was asked for. More participants can only lower P.</p></section>
            """);
    }

    private static void Decisions(HtmlWriter html, IReadOnlyList<Decision> decisions)
    {
        html.Write($"<section><h2>Last decisions</h2>");
        if (decisions.Count == 0)
        {
            html.Empty("Nothing has been decided yet.").Write($"</section>");
            return;
        }
        html.Write($"""
            <table class="table b-table b-cards"><caption class="sr-only">Last decisions</caption><thead><tr><th scope="col">Decided (UTC)</th><th scope="col">Transaction</th><th scope="col">Decision</th><th scope="col">Votes</th>
            <th scope="col">Outcome</th><th scope="col">By</th><th scope="col">Reason</th></tr></thead><tbody>
            """);
        foreach (var decision in decisions)
        {
            html.Write($"""<tr><td data-label="Decided">{Parts.Time(decision.DecidedAt)}</td><td data-label="Transaction" class="b-long"><code>{decision.Id.ToString()}</code></td><td data-label="Decision">{Parts.Label(decision.Word, decision.IsCommit ? "" : "b-slow")}</td><td data-label="Votes" class="b-long">""");
            foreach (var branch in decision.Branches)
                html.Write($"""<span class="b-sub">{branch.Name}: {branch.Vote}{(branch.Found is null ? "" : $", {branch.Found}")}{(branch.Why is null ? "" : $" ({Words.Cut(branch.Why, 120)})")}</span>""");
            html.Write($"""
                </td><td data-label="Outcome">{(decision.Outcome is { } outcome ? Parts.Label(outcome, outcome == Decision.Heuristic ? "b-decide" : "b-quiet") : Parts.Label("not known of all branches", "b-quiet"))}</td>
                <td data-label="By" class="b-long">{decision.DecidedBy}</td><td data-label="Reason" class="b-long b-reason">{Words.Cut(decision.Reason, 240)}</td></tr>
                """);
        }
        html.Write($"</tbody></table></section>");
    }

    private static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static HtmlText Current { get; } = new HtmlWriter().Write($" aria-current=\"page\"").ToHtml();
}
