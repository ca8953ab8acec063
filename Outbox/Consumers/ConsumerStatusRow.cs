namespace Outbox.Consumers;

/// <summary>A row of the table <c>consumer_status</c>: a live process of a consumer, and what it says of itself.</summary>
internal sealed class ConsumerStatusRow
{
    public string Consumer { get; set; } = "";

    public string Owner { get; set; } = "";

    public DateTime StartedAt { get; set; }

    public DateTime ExpiresAt { get; set; }

    public string? Status { get; set; }
}
