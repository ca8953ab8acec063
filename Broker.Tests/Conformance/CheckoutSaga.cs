using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sagas;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

[MessageType("tests.saga-order-placed.v1")]
internal sealed record OrderPlaced(string Order);

[MessageType("tests.saga-reserve-stock.v1")]
internal sealed record ReserveStock(string Order);

[MessageType("tests.saga-stock-reserved.v1")]
internal sealed record StockReserved(string Order, string Shelf);

[MessageType("tests.saga-stock-refused.v1")]
internal sealed record StockRefused(string Order, string Why);

[MessageType("tests.saga-release-stock.v1")]
internal sealed record ReleaseStock(string Order, string? Shelf);

[MessageType("tests.saga-take-payment.v1")]
internal sealed record TakePayment(string Order);

[MessageType("tests.saga-refund-payment.v1")]
internal sealed record RefundPayment(string Order);

[MessageType("tests.saga-ship.v1")]
internal sealed record Ship(string Order);

[MessageType("tests.saga-send-invoice.v1")]
internal sealed record SendInvoice(string Order);

[MessageType("tests.saga-order-confirmed.v1")]
internal sealed record OrderConfirmed(string Order);

[MessageType("tests.saga-order-rejected.v1")]
internal sealed record OrderRejected(string Order, string Reason);

internal sealed record CheckoutState(string Order, string? Shelf = null);

/// <summary>Stock by replies of its own types, payment by answers of themselves, shipping as the point of no return, and an invoice after it.</summary>
internal sealed class Checkout : Saga<CheckoutState>
{
    public static readonly TimeSpan PaymentWithin = TimeSpan.FromMinutes(10);

    public Checkout()
    {
        StartedBy<OrderPlaced>(message => message.Order, message => new CheckoutState(message.Order));
        Step("stock").Send(state => new ReserveStock(state.Order))
            .OnReply<StockReserved>(reply => reply.Order, (state, reply) => state with { Shelf = reply.Shelf })
            .OnRefusal<StockRefused>(refusal => refusal.Order, refusal => refusal.Why)
            .Compensate(state => new ReleaseStock(state.Order, state.Shelf));
        Step("payment").Send(state => new TakePayment(state.Order)).Within(PaymentWithin).Compensate(state => new RefundPayment(state.Order));
        Step("shipping").Pivot().Send(state => new Ship(state.Order));
        Step("invoice").Send(state => new SendInvoice(state.Order));
        WhenCompleted(state => new OrderConfirmed(state.Order));
        WhenCompensated((state, reason) => new OrderRejected(state.Order, reason));
    }
}

/// <summary>What the participants are told to do.</summary>
internal sealed class SagaScript
{
    /// <summary>By the command's name: <c>refuse</c>, <c>fail</c>, or nothing.</summary>
    public Dictionary<string, string> Answers { get; } = [];

    /// <summary>The ids of replies that somebody else has noted.</summary>
    public List<Guid> Noted { get; } = [];

    public string? Of(object command) => Answers.GetValueOrDefault(command.GetType().Name);
}

/// <summary>All participants: each moves numbers of one row, and would move them twice if it were called twice.</summary>
internal sealed class Participants(SagaScript script) : IMessageHandler<ReserveStock>, IMessageHandler<ReleaseStock>, IMessageHandler<TakePayment>, IMessageHandler<RefundPayment>, IMessageHandler<Ship>, IMessageHandler<SendInvoice>
{
    public async Task HandleAsync(ReserveStock message, MessageContext context, CancellationToken cancellationToken)
    {
        if (script.Of(message) == "refuse")
        {
            await context.RefuseAsync(new StockRefused(message.Order, "sold out"), cancellationToken);
            return;
        }
        await MoveAsync(message, "free = free - 1, reserved = reserved + 1", context, cancellationToken);
        await context.ReplyAsync(new StockReserved(message.Order, "A7"), cancellationToken);
    }

    public Task HandleAsync(ReleaseStock message, MessageContext context, CancellationToken cancellationToken) => MoveAsync(message, "free = free + 1, reserved = reserved - 1", context, cancellationToken);

    public Task HandleAsync(TakePayment message, MessageContext context, CancellationToken cancellationToken) => MoveAsync(message, "paid = paid + 1", context, cancellationToken);

    public Task HandleAsync(RefundPayment message, MessageContext context, CancellationToken cancellationToken) => MoveAsync(message, "paid = paid - 1", context, cancellationToken);

    public Task HandleAsync(Ship message, MessageContext context, CancellationToken cancellationToken) => MoveAsync(message, "reserved = reserved - 1, sold = sold + 1", context, cancellationToken);

    public Task HandleAsync(SendInvoice message, MessageContext context, CancellationToken cancellationToken) => MoveAsync(message, "invoices = invoices + 1", context, cancellationToken);

    private async Task MoveAsync(object message, string change, MessageContext context, CancellationToken cancellationToken)
    {
        switch (script.Of(message))
        {
            case "refuse":
                await context.RefuseAsync($"{message.GetType().Name} is not possible", cancellationToken);
                return;
            case "fail":
                throw new RejectMessageException($"{message.GetType().Name} is broken");
        }
        await context.Transaction.Connection!.Command("UPDATE shelf SET " + change + " WHERE id = 1", context.Transaction).ExecuteAsync(cancellationToken);
    }
}

/// <summary>Takes no part in the saga: it wants to know what is reserved.</summary>
internal sealed class Audit(SagaScript script) : IMessageHandler<StockReserved>
{
    public Task HandleAsync(StockReserved message, MessageContext context, CancellationToken cancellationToken)
    {
        if (script.Answers.GetValueOrDefault("Audit") == "fail")
            throw new RejectMessageException("The book is full.");
        script.Noted.Add(context.MessageId);
        Assert.That(context.Saga, Is.Null, "nobody asks it for anything");
        return Task.CompletedTask;
    }
}
