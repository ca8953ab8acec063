namespace Outbox.Receipts;

/// <summary>A row of the table <c>receipts</c>: what a consumer did with a message. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class ReceiptRow
{
    public const string Applied = "applied";

    public const string Refused = "refused";

    public Guid MessageId { get; set; }

    public string Consumer { get; set; } = "";

    public string Outcome { get; set; } = "";

    public string? Reason { get; set; }

    public DateTime OccurredAt { get; set; }

    public DateTime ReceivedAt { get; set; }
}
