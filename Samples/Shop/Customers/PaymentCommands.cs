using Outbox.Messages;

namespace Shop.Customers;

/// <summary>Asks Customers to book what an order costs.</summary>
[MessageType("customers.take-payment.v1")]
internal sealed record TakePayment(Guid OrderId, string CustomerId, long Cents)
{
    /// <summary>More at once is nobody trusted with.</summary>
    public const long MostCents = 15_000;

    /// <summary>Why it is refused; null if it is not.</summary>
    public string? Refusal => Cents > MostCents ? $"{Cents} cents are more than the {MostCents} that anybody may spend at once" : null;
}

/// <summary>Asks Customers to give it back.</summary>
[MessageType("customers.refund-payment.v1")]
internal sealed record RefundPayment(Guid OrderId);
