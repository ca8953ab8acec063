using Dapper;
using Outbox.Consumers;

namespace Shop.Orders.PlainSql;

/// <summary>Shows the customer how the checkout has ended.</summary>
internal sealed class MarkOrder : IMessageHandler<OrderConfirmed>, IMessageHandler<OrderRejected>
{
    public async Task HandleAsync(OrderConfirmed message, MessageContext context, CancellationToken cancellationToken)
    {
        if (await context.Transaction.Connection!.ExecuteAsync("UPDATE orders SET is_confirmed = true WHERE id = @OrderId", message, context.Transaction) == 0)
            throw new InvalidOperationException($"There is no order {message.OrderId}.");
    }

    public async Task HandleAsync(OrderRejected message, MessageContext context, CancellationToken cancellationToken)
    {
        if (await context.Transaction.Connection!.ExecuteAsync("UPDATE orders SET is_rejected = true WHERE id = @OrderId", message, context.Transaction) == 0)
            throw new InvalidOperationException($"There is no order {message.OrderId}.");
    }
}
