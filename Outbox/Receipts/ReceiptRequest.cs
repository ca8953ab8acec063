namespace Outbox.Receipts;

/// <summary>A row of the table <c>receipt_requests</c>: a message whose writer wants to know who has applied it.</summary>
internal sealed class ReceiptRequest
{
    public Guid MessageId { get; set; }

    public string Type { get; set; } = "";

    public DateTime RequestedAt { get; set; }
}
