namespace Outbox.RabbitMQ;

/// <summary>What is done about exchanges and queues before they are used, also after each loss of the connection.</summary>
public enum TopologyMode
{
    /// <summary>Declare what is missing: a durable topic exchange, quorum queues with their dead-letter queues, bindings.</summary>
    Declare,

    /// <summary>Only check that the exchange and the queue are there.</summary>
    Verify,

    /// <summary>Do nothing: somebody else looks after them.</summary>
    None,
}
