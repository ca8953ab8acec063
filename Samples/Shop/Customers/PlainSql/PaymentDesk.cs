using Dapper;
using Outbox.Consumers;

namespace Shop.Customers.PlainSql;

internal sealed class PaymentDesk : IMessageHandler<TakePayment>, IMessageHandler<RefundPayment>
{
    public async Task HandleAsync(TakePayment message, MessageContext context, CancellationToken cancellationToken)
    {
        if (message.Refusal is { } refusal)
            await context.RefuseAsync(refusal, cancellationToken);
        else
            await context.Transaction.Connection!.ExecuteAsync("INSERT INTO payments (order_id, customer_id, cents) VALUES (@OrderId, @CustomerId, @Cents)", message, context.Transaction);
    }

    public Task HandleAsync(RefundPayment message, MessageContext context, CancellationToken cancellationToken) =>
        context.Transaction.Connection!.ExecuteAsync("DELETE FROM payments WHERE order_id = @OrderId", message, context.Transaction);
}
