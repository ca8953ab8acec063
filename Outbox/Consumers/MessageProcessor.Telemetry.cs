using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Diagnostics;
using Outbox.Transport;

namespace Outbox.Consumers;

/// <summary>What is told of handlers: their spans, and how long they take.</summary>
internal sealed partial class MessageProcessor
{
    private readonly TimeProvider _time = services.GetService<TimeProvider>() ?? TimeProvider.System;
    private readonly string _system = services.GetKeyedService<ITransport>(outbox.Source) is { } transport ? ITransportState.SystemOf(transport) : "custom";

    /// <summary>Stage 7, measured.</summary>
    private async Task HandleAsync(IReadOnlyList<ReadableMessage> messages, IServiceProvider scope, ConsumerSession session, CancellationToken cancellationToken)
    {
        if (await TryHandleAsync(messages, scope, session, cancellationToken).ConfigureAwait(false) is { } error)
            ExceptionDispatchInfo.Throw(error);
    }

    /// <summary>Stage 7, measured. Gives back what it failed with: to throw it through every method on the way costs more than a small handler.</summary>
    private async Task<Exception?> TryHandleAsync(IReadOnlyList<ReadableMessage> messages, IServiceProvider scope, ConsumerSession session, CancellationToken cancellationToken)
    {
        var began = _time.GetTimestamp();
        Exception? error;
        try
        {
            error = await RunHandlerAsync(messages, scope, session, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            error = exception;
        }
        Handled(messages[0], began, error);
        return error;
    }

    private void Handled(ReadableMessage message, long began, Exception? error)
    {
        // Bounded: its type is one that a handler is registered for.
        TagList tags =
        [
            new(OutboxTracing.System, _system), new(OutboxTracing.OperationName, "process"), new(OutboxTracing.OperationType, "process"),
            new(OutboxTracing.Destination, options.Queue), new(OutboxTracing.ConsumerGroup, options.Name), new("type", message.Incoming.Type),
        ];
        if (error is not null)
        {
            tags.Add(OutboxMetrics.ErrorType, error.GetType().Name);
            if (Activity.Current is { Kind: ActivityKind.Consumer } activity && activity.Source == OutboxTracing.Source)
                activity.Failed(error.GetType().FullName ?? error.GetType().Name, error.Message);
        }
        OutboxMetrics.ProcessDuration.Record(_time.GetElapsedTime(began).TotalSeconds, tags);
    }

    /// <summary>One message goes on in its own trace; several have one of their own, with links to theirs.</summary>
    private Activity? Start(IReadOnlyList<ReadableMessage> messages)
    {
        if (!OutboxTracing.Source.HasListeners())
            return null;
        var only = messages is [var single] ? single : null;
        var links = only is null ? messages.Select(TraceOf).Where(c => c != default).Select(c => new ActivityLink(c)) : null;
        var activity = OutboxTracing.Source.StartActivity($"process {options.Queue}", ActivityKind.Consumer, only is null ? default : TraceOf(only), tags: null, links);
        if (activity is null)
            return null;
        activity
            .SetTag(OutboxTracing.System, _system).SetTag(OutboxTracing.OperationName, "process").SetTag(OutboxTracing.OperationType, "process")
            .SetTag(OutboxTracing.Destination, $"{options.Exchange}:{messages[0].Incoming.Type}:{options.Queue}").SetTag(OutboxTracing.RoutingKey, messages[0].Incoming.Type)
            .SetTag(OutboxTracing.ConsumerGroup, options.Name);
        return only is null
            ? activity.SetTag(OutboxTracing.BatchSize, messages.Count)
            : activity.SetTag(OutboxTracing.MessageId, only.MessageId.ToString()).SetTag("outbox.source", only.Incoming.Source).SetTag("outbox.attempt", only.Incoming.Attempts + 1);
    }

    private static ActivityContext TraceOf(ReadableMessage message) => OutboxTracing.ContextOf(message.Incoming.Delivery.Headers);
}
