using Outbox.Messages;
using Outbox.Transport;
using Shop.Customers;
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
        // A message that comes before its consumer has subscribed is to wait for it.
        void Bind(string queue, params Type[] messages)
        {
            foreach (var message in messages)
                Memory.Bind(queue, plan.Exchange, types.NameOf(message));
        }

        var (orders, customers) = (plan.Of("orders"), plan.Of("customers"));
        Bind(plan.Of("stock").Queue, typeof(ReserveGoods), typeof(ReleaseGoods), typeof(SellGoods));
        Bind(customers.Queue, typeof(OrderPlaced));
        Bind(customers.QueueOf(CustomersService.Payments), typeof(TakePayment), typeof(RefundPayment));
        Bind(orders.Queue, typeof(OrderConfirmed), typeof(OrderRejected));
        Bind(orders.QueueOf(Checkout.Name), typeof(OrderPlaced));
        Memory.Bind(orders.QueueOf(Checkout.Name), plan.Exchange, $"outbox.saga.{Checkout.Name}.v1");
    }

    public string Description => "in-memory transport, relays inside";

    /// <summary>The one instance that all services share.</summary>
    public InMemoryTransport Memory { get; } = new();

    public ITransport Transport => Memory;

    public Task WaitForQueuesAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<long> CountDeadAsync(CancellationToken cancellationToken) => Task.FromResult(_plan.Services.SelectMany(s => s.Queues).Sum(queue => (long)Memory.Count(queue + ".dead")));

    public Task DeleteAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => Memory.DisposeAsync();
}
