namespace Outbox.Inbox;

/// <summary>A row of the table <c>inbox_messages</c>: a message whose effects are committed in this database.</summary>
public sealed class InboxMessage
{
    /// <summary>The consumer that applied it.</summary>
    public string Consumer { get; internal set; } = "";

    /// <summary>The message.</summary>
    public Guid MessageId { get; internal set; }

    /// <summary>What was applied: empty for a plain message.</summary>
    public string Operation { get; internal set; } = "";

    /// <summary>When it was applied, in UTC, by the database's clock.</summary>
    public DateTime ReceivedAt { get; internal set; }
}
