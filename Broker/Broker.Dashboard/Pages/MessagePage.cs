using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Inbox;

namespace Broker.Dashboard.Pages;

/// <summary>The life of one message across all sources' databases: written, published, applied by whom, and when.</summary>
internal sealed class MessagePage : DataPage
{
    protected override async Task WriteAsync(HtmlWriter html, BrokerRequest request)
    {
        var text = request.Query("id")?.Trim();
        html.Write($"""
            <form class="b-filter" method="get" action="{request.Link($"{BrokerRoutes.Prefix}/message")}" role="search" aria-label="Find a message">
            <label class="b-grow">Message id <input type="text" name="id" value="{text}" class="form-control input-sm b-mono" placeholder="0198f3c2-7a31-7c0e-9f2a-3d5b8c1e4f60" autocomplete="off" spellcheck="false" required></label>
            <div class="b-buttons"><button class="btn btn-primary btn-sm">Find</button></div></form>
            """);
        if (text is null)
        {
            html.Empty("Ids are in the header message-id of a delivery, in logs and traces, and in the lists of dead letters and deferred messages.");
            return;
        }
        // An id that is no UUID enters the inbox as a UUID made from it, and is looked for as that.
        if (MessageIds.Parse(text) is not { } id)
            return;
        var sources = request.Sources.Current;
        var snapshots = await request.Services.GetRequiredService<SnapshotService>().LookAsync(request.Cancelled).ConfigureAwait(false);
        // A source that is known to be down is not waited for again.
        var down = snapshots.Where(s => s.Trouble is not null).ToDictionary(s => s.Name, StringComparer.Ordinal);
        var reader = new MessageLifeReader([.. sources.Where(s => !down.ContainsKey(s.Name)).Select(s => new MessageLifeReader.Database(s.Name, s.Dialect, s.DataSource))], request.Services.GetRequiredService<TimeProvider>());
        var life = await reader.ReadAsync(id, request.Cancelled).ConfigureAwait(false);
        Facts(html, id, life);
        if (life.Steps.Count == 0)
            html.Empty("No database that could be asked knows this message. It may be older than what they keep: rows that were published leave the outbox, and stay only in an archive.");
        else
            Steps(html, request, life);
        Answers(html, life, down);
    }

    internal static string PathOf(string messageId) => $"{BrokerRoutes.Prefix}/message{Parts.Query(("id", messageId))}";

    private static void Facts(HtmlWriter html, Guid id, MessageLife life)
    {
        html.Write($"""<dl class="b-facts"><div class="b-wide"><dt>Message</dt><dd class="b-mono">{id.ToString("D")}</dd></div>""");
        if (life.Type is { } type)
            html.Write($"<div class=\"b-wide\"><dt>Type</dt><dd><code>{type}</code></dd></div>");
        if (life.Key is { } key)
            html.Write($"<div class=\"b-wide\"><dt>Key</dt><dd>{key}</dd></div>");
        html.Write($"</dl>");
    }

    private static void Steps(HtmlWriter html, BrokerRequest request, MessageLife life)
    {
        html.Write($"""<ol class="b-life" aria-label="What happened to it">""");
        DateTime? before = null;
        foreach (var step in life.Steps)
        {
            var (kind, what) = TextOf(step);
            var after = before is { } earlier ? step.At - earlier : (TimeSpan?)null;
            html.Write($"""<li class="{kind}"><span class="b-when">{Exact(step.At)}{(after is { } span && span > TimeSpan.Zero ? After(span) : default)}</span><span class="b-what"><strong>{what}</strong> <span class="b-quiet">in {step.Source}</span>""");
            if (step.Sequence is { } sequence and > 0)
                html.Write($""" <span class="b-quiet">partition {step.Partition ?? 0}, sequence {sequence}</span>""");
            if (step.Attempts is { } attempts and > 0)
                html.Write($""" <span class="b-quiet">{Words.Several(attempts, "attempt")}</span>""");
            if (step.NextAttemptAt is { } next)
                html.Write($""" <span class="b-quiet">{(step.Kind == MessageStepKind.Deferred ? "next attempt" : "due")} {Parts.Time(next)} UTC</span>""");
            if (step.Reason is { } reason)
                html.Write($"""<span class="b-why">{Words.Cut(reason, 500)}</span>""");
            if (step is { Kind: MessageStepKind.DeadLetter, DeadLetterId: { } letter })
                html.Write($""" <a href="{request.Link(DeadLetterPage.PathOf(step.Source, letter))}">Letter {letter} →</a>""");
            html.Write($"</span></li>");
            before = step.At;
        }
        html.Write($"""</ol><p class="b-quiet">Each database has its own clock: steps of different databases may stand the wrong way round by as much as these differ.</p>""");
    }

    private static void Answers(HtmlWriter html, MessageLife life, Dictionary<string, SourceSnapshot> down)
    {
        foreach (var snapshot in down.Values)
            html.Down(snapshot);
        foreach (var answer in life.Sources)
        {
            if (answer.Trouble is { } trouble)
                html.Failure($"Source {answer.Source} could not be asked", trouble);
            else if (answer.IsCutShort)
                html.Write($"""<p class="b-note b-slow" role="status">The outbox of {answer.Source} holds more rows than were looked through: the message may wait in it unseen.</p>""");
        }
    }

    private static (string Kind, string Text) TextOf(MessageStep step) => step.Kind switch
    {
        MessageStepKind.Written => ("b-fine", "Written"),
        MessageStepKind.Waiting => ("b-slow", "Waits to be published"),
        MessageStepKind.Scheduled => ("b-quiet", "Scheduled"),
        MessageStepKind.Published => ("b-fine", "Published"),
        MessageStepKind.Expired => ("b-slow", "Expired before it could be published"),
        MessageStepKind.DeadLetter when step.State == "discarded" => ("b-quiet", $"Dead letter {By(step)}, discarded"),
        MessageStepKind.DeadLetter => ("b-stopped", $"Dead letter {By(step)}{(step.State == "blocking" ? ": its key waits" : "")}"),
        MessageStepKind.Deferred => ("b-slow", $"Deferred by consumer {step.Consumer}"),
        MessageStepKind.Applied => ("b-fine", $"Applied by consumer {step.Consumer}{(step.Operation is { } operation ? $" ({operation})" : "")}"),
        MessageStepKind.Receipt => ("b-fine", $"Receipt of consumer {step.Consumer}: {step.State}"),
        MessageStepKind.Action => ("b-decide", $"{step.Actor} has {step.State} its dead letter"),
        _ => ("b-quiet", step.Kind.ToString()),
    };

    private static string By(MessageStep step) => step.Consumer is { } consumer ? $"of consumer {consumer}" : "of the relay";

    private static HtmlText Exact(DateTime at) => new HtmlWriter().Write($"""<time datetime="{Words.Exact(at).Replace(' ', 'T')}Z">{Words.Exact(at)}</time>""").ToHtml();

    private static HtmlText After(TimeSpan span) => new HtmlWriter().Write($"""<span class="b-after">+{Words.Span(span)}</span>""").ToHtml();
}
