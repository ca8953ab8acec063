using System.Data.Common;

namespace Outbox.Consumers;

/// <summary>What a handler may know of the message that it handles.</summary>
public sealed class MessageContext
{
    internal MessageContext()
    {
    }

    /// <summary>The message's id.</summary>
    public required Guid MessageId { get; init; }

    /// <summary>Stable name of the message type, as it was sent: of the older version if the message was upcast, or an alias.</summary>
    public required string Type { get; init; }

    /// <summary>Name of the consumer.</summary>
    public required string Consumer { get; init; }

    /// <summary>The source that the message was written in, if it says so.</summary>
    public string? Source { get; init; }

    /// <summary>The partition key, if it has one.</summary>
    public string? PartitionKey { get; init; }

    /// <summary>The headers.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    /// <summary>1 for the first attempt. One that ended with an outage of the database is not counted.</summary>
    public required int Attempt { get; init; }

    /// <summary>The transaction that the effects belong in: the context's own, or one of plain ADO.NET. It is committed after the handler returns; leave that to the consumer.</summary>
    /// <remarks>Without a context its connection may serve the next message too, for about a second. So set what concerns one message for the transaction (<c>SET LOCAL</c>), not for the session.</remarks>
    public required DbTransaction Transaction { get; init; }
}
