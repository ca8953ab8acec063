namespace Broker.Relay;

/// <summary>The stages of a change of the number of partitions, in their order.</summary>
internal enum RepartitionStage
{
    /// <summary>Relays give their partitions up.</summary>
    Stopping,

    /// <summary>Writers get to know the new number.</summary>
    Writers,

    /// <summary>Transactions that were open then have to end.</summary>
    Transactions,

    /// <summary>Rows are moved to where they belong.</summary>
    Moving,

    /// <summary>All is in its place.</summary>
    Done,
}
