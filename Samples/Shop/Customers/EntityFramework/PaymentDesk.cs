using Microsoft.EntityFrameworkCore;
using Outbox.Consumers;

namespace Shop.Customers.EntityFramework;

internal sealed class PaymentDesk(CustomersContext db) : IMessageHandler<TakePayment>, IMessageHandler<RefundPayment>
{
    public async Task HandleAsync(TakePayment message, MessageContext context, CancellationToken cancellationToken)
    {
        if (message.Refusal is { } refusal)
            await context.RefuseAsync(refusal, cancellationToken);
        else
            db.Payments.Add(new Payment { OrderId = message.OrderId, CustomerId = message.CustomerId, Cents = message.Cents });
    }

    public Task HandleAsync(RefundPayment message, MessageContext context, CancellationToken cancellationToken) =>
        db.Payments.Where(p => p.OrderId == message.OrderId).ExecuteDeleteAsync(cancellationToken);
}
