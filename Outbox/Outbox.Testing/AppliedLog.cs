using Outbox.Consumers;

namespace Outbox.Testing;

/// <summary>What handlers have applied, in the order of their commits.</summary>
internal sealed class AppliedLog : IApplicationObserver
{
    private readonly Lock _lock = new();
    private readonly List<(string Consumer, HarnessMessage Message)> _applied = [];

    public void Applied(string consumer, Guid messageId, IncomingMessage incoming, object message)
    {
        lock (_lock)
            _applied.Add((consumer, new HarnessMessage(messageId, incoming.Type ?? "", incoming.Source ?? "", incoming.PartitionKey, incoming.Delivery.Headers, message)));
    }

    public IReadOnlyList<HarnessMessage> Of(string consumer)
    {
        lock (_lock)
            return [.. _applied.Where(a => a.Consumer == consumer).Select(a => a.Message)];
    }
}
