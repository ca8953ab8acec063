namespace Outbox.Transport;

/// <summary>The fates of a published message.</summary>
public enum PublishOutcome
{
    /// <summary>The broker holds the message durably in at least one queue.</summary>
    Confirmed,

    /// <summary>No queue is bound for its type. The broker holds nothing.</summary>
    Unroutable,

    /// <summary>The broker did not take it now (a queue without a leader, a full queue). Says nothing about the message itself.</summary>
    Nacked,

    /// <summary>This message cannot be carried, whatever the broker's state: too large, for example.</summary>
    Refused,

    /// <summary>The channel was lost before an answer came: the broker may or may not hold it.</summary>
    Unknown,
}
