using System.Diagnostics;
using Outbox.Diagnostics;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>The span of a published message, made when the broker's answer is there: nothing has to be kept for it meanwhile.</summary>
/// <remarks>
/// It goes on in the trace in which the row was written, and a row without one gets none. The message itself keeps the context of its row, as the conventions want it of a message that was created before it is sent:
/// so it is the same on the wire, in the archive and in the dead letters, and what a consumer does is a child of the writing, however often it was published.
/// </remarks>
internal static class PublishTrace
{
    public static bool IsWanted => OutboxTracing.Source.HasListeners();

    public static void Answered(RelaySource source, OutboxRow row, PublishResult result, TimeProvider time)
    {
        if (row.Envelope is not { } envelope || OutboxTracing.ContextOf(envelope.Headers) is var context && context == default)
            return;
        using var activity = OutboxTracing.Source.StartActivity($"publish {source.Exchange}", ActivityKind.Client, context, startTime: time.GetUtcNow() - time.GetElapsedTime(row.SentAt));
        if (activity is null)
            return;
        activity
            .SetTag(OutboxTracing.System, ITransportState.SystemOf(source.Transport))
            .SetTag(OutboxTracing.OperationName, "publish").SetTag(OutboxTracing.OperationType, "send")
            .SetTag(OutboxTracing.Destination, $"{source.Exchange}:{envelope.Type}").SetTag(OutboxTracing.RoutingKey, envelope.Type)
            .SetTag(OutboxTracing.MessageId, envelope.MessageId.ToString()).SetTag("outbox.source", source.Name);
        if (result.Outcome != PublishOutcome.Confirmed)
            activity.Failed(OutcomeOf(result.Outcome), result.Reason ?? "");
    }

    /// <summary>An outcome as tags show it.</summary>
    public static string OutcomeOf(PublishOutcome outcome) => outcome switch
    {
        PublishOutcome.Confirmed => "confirmed",
        PublishOutcome.Unroutable => "unroutable",
        PublishOutcome.Nacked => "nacked",
        PublishOutcome.Refused => "refused",
        _ => "unknown",
    };
}
