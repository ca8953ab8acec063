using System.Diagnostics;
using Outbox.Diagnostics;

namespace Outbox.Sagas;

/// <summary>What is counted of sagas. Tags are names of the definition, so they are bounded; an id is none of them.</summary>
internal static class SagaTelemetry
{
    /// <summary>Counts a turn. For after its commit.</summary>
    public static void Moved(string saga, SagaTurn turn, SagaInstance? before)
    {
        if (before is null)
            OutboxMetrics.SagaStarted.Add(1, new KeyValuePair<string, object?>("saga", saga));
        foreach (var entry in turn.Entries)
        {
            if (entry.Operation is { } operation)
                OutboxMetrics.SagaSteps.Add(1, new("saga", saga), new("step", entry.Step), new("operation", SagaHeaders.NameOf(operation)), new("event", entry.Event));
        }
        if (turn.Saga.HasEnded)
            OutboxMetrics.SagaEnded.Add(1, new("saga", saga), new("status", SagaStore.NameOf(turn.Saga.Status)));
    }

    /// <summary>Tells the span of the message, which ends before the commit, where the saga stands after it.</summary>
    public static void Tag(string saga, SagaTurn turn)
    {
        if (Activity.Current is { } activity && activity.Source == OutboxTracing.Source)
            activity.SetTag("outbox.saga", saga).SetTag("outbox.saga.id", turn.Saga.Id).SetTag("outbox.saga.status", SagaStore.NameOf(turn.Saga.Status)).SetTag("outbox.saga.step", turn.Saga.Step);
    }
}
