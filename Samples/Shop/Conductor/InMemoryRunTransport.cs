using Outbox.Messages;
using Outbox.Transport;
using Shop.Orders;
using Shop.Stock;

namespace Shop.Conductor;

internal sealed class InMemoryRunTransport : IRunTransport
{
    private readonly RunPlan _plan;

    public InMemoryRunTransport(RunPlan plan)
    {
        _plan = plan;
        var types = new MessageTypeRegistry();
        var (placed, reserved) = (types.NameOf(typeof(OrderPlaced)), types.NameOf(typeof(StockReserved)));
        Memory.Bind(plan.Of("stock").Queue, plan.Exchange, placed);
        Memory.Bind(plan.Of("customers").Queue, plan.Exchange, placed);
        Memory.Bind(plan.Of("orders").Queue, plan.Exchange, reserved);
    }

    public string Description => "in-memory transport, relays inside";

    /// <summary>The one instance that all services share.</summary>
    public InMemoryTransport Memory { get; } = new();

    public ITransport Transport => Memory;

    public Task WaitForQueuesAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<long> CountDeadAsync(CancellationToken cancellationToken) => Task.FromResult(_plan.Services.Sum(s => (long)Memory.Count(s.Queue + ".dead")));

    public Task DeleteAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => Memory.DisposeAsync();
}
