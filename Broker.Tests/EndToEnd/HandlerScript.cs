using System.Collections.Concurrent;
using Broker.Tests.Support;
using Outbox.Consumers;

namespace Broker.Tests.EndToEnd;

/// <summary>What a test's handlers do beside their effect, and the calls they had.</summary>
internal sealed class HandlerScript
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _called = new();

    public ConcurrentQueue<(string Number, MessageContext Context)> Calls { get; } = new();

    /// <summary>Runs in each call, after the order was added to the context. Default: nothing.</summary>
    public Func<string, MessageContext, OrdersContext?, Task> Then { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Completes when an order's handler is called for the first time.</summary>
    public Task CalledAsync(string number) => Called(number).Task.WaitAsync(TimeSpan.FromSeconds(60));

    public int CallsOf(string number) => Calls.Count(c => c.Number == number);

    public async Task RunAsync(string number, MessageContext context, OrdersContext? orders)
    {
        Calls.Enqueue((number, context));
        Called(number).TrySetResult();
        await Then(number, context, orders);
    }

    private TaskCompletionSource Called(string number) => _called.GetOrAdd(number, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}

/// <summary>Its effect: an order with a number of its own, so that a second effect would show.</summary>
internal sealed class OrderPlacedHandler(OrdersContext orders, HandlerScript script) : IMessageHandler<OrderPlaced>
{
    public Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        orders.Orders.Add(new Order { Number = NumberOf(message) });
        return script.RunAsync(message.Number, context, orders);
    }

    public static string NumberOf(OrderPlaced message) => $"{message.Number[..Math.Min(message.Number.Length, 20)]}#{Guid.CreateVersion7():N}";
}

/// <summary>The same by plain ADO.NET, in the transaction that the consumer gives.</summary>
internal sealed class OrderPlacedByAdoNetHandler(HandlerScript script) : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        await using var command = context.Transaction.Connection!.CreateCommand();
        command.Transaction = context.Transaction;
        command.CommandText = "INSERT INTO orders (id, number) VALUES (@id, @number)";
        foreach (var (name, value) in new (string, object)[] { ("id", Guid.CreateVersion7()), ("number", OrderPlacedHandler.NumberOf(message)) })
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }
        await command.ExecuteNonQueryAsync(cancellationToken);
        await script.RunAsync(message.Number, context, null);
    }
}
