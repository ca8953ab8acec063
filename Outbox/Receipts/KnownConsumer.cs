namespace Outbox.Receipts;

/// <summary>A row of the table <c>consumers</c>: a consumer of this outbox's exchange, and a type that it handles. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class KnownConsumer
{
    public string Name { get; set; } = "";

    public string Type { get; set; } = "";

    public DateTime LastSeenAt { get; set; }
}
