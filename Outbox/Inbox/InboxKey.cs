namespace Outbox.Inbox;

/// <summary>A row of the table <c>inbox_keys</c>: how far a consumer has come in the numbers of one key. One row stands for all messages of the key, for ever.</summary>
public sealed class InboxKey
{
    /// <summary>The consumer.</summary>
    public string Consumer { get; internal set; } = "";

    /// <summary>The source whose key it is; empty if its messages name none; of a name longer than 100 characters, its SHA-256 instead.</summary>
    public string Source { get; internal set; } = "";

    /// <summary>Partition key; of one longer than 200 characters, its SHA-256 instead.</summary>
    public string PartitionKey { get; internal set; } = "";

    /// <summary>The number up to which the key has come: what has a higher one waits until the next number has been applied.</summary>
    public long LastSequence { get; internal set; }

    /// <summary>Numbers that were not applied and are not waited for, as <c>17,20-25</c>: of dead letters, and of messages that never came.</summary>
    public string? Skipped { get; internal set; }
}
