using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Outbox;
using Outbox.RabbitMQ;
using Outbox.Receipts;

namespace Broker.Tests.Docs;

// The code that docs/receipts.md shows. DocumentationTests holds the two together.
internal static class ReceiptExamples
{
    public static void Configure(WebApplicationBuilder builder, string rabbitMqUri) =>
        builder.Services.AddOutbox<OrdersContext>(outbox => outbox
            .UseRabbitMq(rabbitMqUri)
            .UseReceipts());

    public static async Task<IResult> WaitAsync(Order order, IOutbox outbox, CancellationToken cancellationToken)
    {
        Receipt receipt = await outbox.PublishAndWaitAsync(
            new OrderPlaced(order.Id, order.Sku, order.Quantity), AppliedBy.Consumers("stock", "billing"), timeout: TimeSpan.FromSeconds(5), cancellationToken: cancellationToken);
        return receipt.Outcome switch
        {
            ReceiptOutcome.Fulfilled => Results.Ok(),
            ReceiptOutcome.Refused => Results.Conflict(receipt.Refused[0].Reason),   // a dead letter there: an operator may still redrive it
            _ => Results.Accepted($"/orders/{order.Id}", receipt.Missing),           // not yet; it stays written, and is applied when they can
        };
    }

    public static async Task WaitAsync(Order order, OrdersContext db, IOutbox outbox, CancellationToken cancellationToken)
    {
        db.Orders.Add(order);
        var messageId = db.Outbox().Add(new OrderPlaced(order.Id, order.Sku, order.Quantity), new MessageOptions { PartitionKey = order.Id, WantsReceipt = true });
        await db.SaveChangesAsync(cancellationToken);

        var receipt = await outbox.WhenAppliedAsync(messageId, AppliedBy.Majority, timeout: TimeSpan.FromSeconds(5), cancellationToken);
    }

    public static void Elsewhere(OutboxBuilder outbox) =>
        outbox.UseReceipts(receipts =>
        {
            receipts.Exchanges.Add("events");
            receipts.Exchanges.Add("billing-events");
        });
}
