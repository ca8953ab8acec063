using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.Support;

/// <summary>Reads a queue to see what arrived, in order, copies included.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<(Guid Id, string? Key)> _arrived = [];
    private readonly List<(int Distinct, TaskCompletionSource Reached)> _waits = [];
    private readonly HashSet<Guid> _ids = [];
    private IAsyncDisposable? _subscription;

    public static async Task<Collector> StartAsync(ITransport transport, string queue = "collector", string exchange = "events", string types = "#")
    {
        var collector = new Collector();
        collector._subscription = await transport.SubscribeAsync(
            new SubscriptionOptions { Queue = queue, Exchange = exchange, Types = [types] },
            async (delivery, _) =>
            {
                collector.Add(Guid.Parse(delivery.MessageId!), delivery.Headers.GetValueOrDefault(MessageHeaders.PartitionKey));
                await delivery.AcceptAsync();
            },
            CancellationToken.None);
        return collector;
    }

    /// <summary>Everything that arrived, in order, copies included.</summary>
    public IReadOnlyList<(Guid Id, string? Key)> Arrived
    {
        get
        {
            lock (_lock)
                return [.. _arrived];
        }
    }

    /// <summary>The messages of a key in the order in which each arrived first: what an inbox makes of it.</summary>
    public IReadOnlyList<Guid> Applied(string? key) => [.. Arrived.Where(a => a.Key == key).Select(a => a.Id).Distinct()];

    /// <summary>Completes when so many different messages have arrived.</summary>
    public Task ReachAsync(int distinct, TimeSpan? within = null)
    {
        lock (_lock)
        {
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_ids.Count >= distinct)
                reached.SetResult();
            else
                _waits.Add((distinct, reached));
            return reached.Task.WaitAsync(within ?? TimeSpan.FromSeconds(30));
        }
    }

    public ValueTask DisposeAsync() => _subscription?.DisposeAsync() ?? ValueTask.CompletedTask;

    private void Add(Guid id, string? key)
    {
        lock (_lock)
        {
            _arrived.Add((id, key));
            _ids.Add(id);
            foreach (var wait in _waits.Where(w => _ids.Count >= w.Distinct).ToList())
            {
                _waits.Remove(wait);
                wait.Reached.SetResult();
            }
        }
    }
}
