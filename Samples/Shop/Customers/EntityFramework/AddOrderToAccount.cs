using Outbox.Consumers;
using Shop.Orders;

namespace Shop.Customers.EntityFramework;

/// <summary>Adding is not idempotent: a message applied twice would show in the totals. The inbox sees to that, not this handler.</summary>
internal sealed class AddOrderToAccount(CustomersContext db) : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        var account = await db.Accounts.FindAsync([message.CustomerId], cancellationToken)
            ?? db.Accounts.Add(new CustomerAccount { CustomerId = message.CustomerId }).Entity;
        account.Add(message);
    }
}
