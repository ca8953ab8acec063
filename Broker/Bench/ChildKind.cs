namespace Broker.Bench;

/// <summary>What a measured process does.</summary>
internal enum ChildKind
{
    /// <summary>Publishes with confirms, as fast as is safe.</summary>
    RawPublish,

    /// <summary>The product's relay empties an outbox.</summary>
    Relay,

    /// <summary>The popular loop empties an outbox.</summary>
    NaiveRelay,

    /// <summary>The product's relay, until it is told to stop.</summary>
    RelayNode,

    /// <summary>Writers commit business data with an event, as fast as they can.</summary>
    Writers,

    /// <summary>Publishes at a given rate and burns a given share of the CPU.</summary>
    SameLoad,

    /// <summary>Commits at a steady rate, and waits for the messages at the queue.</summary>
    Arrival,

    /// <summary>Commits at a steady rate, and waits for the effects of a consumer.</summary>
    Effect,

    /// <summary>Takes messages from a queue and accepts them.</summary>
    RawConsume,

    /// <summary>The product's consumer with its inbox.</summary>
    Inbox,

    /// <summary>The same while some messages fail, at a steady rate: how late the others' effects are.</summary>
    Late,

    /// <summary>Sagas over the databases of three services, so many at once.</summary>
    Sagas,

    /// <summary>The same change by one transaction of one database.</summary>
    LocalTransactions,

    /// <summary>The popular consumer: look, insert, apply, commit, accept, one after another.</summary>
    NaiveConsume,

    /// <summary>Takes and releases locks that nobody else wants, as fast as it can.</summary>
    Locks,
}
