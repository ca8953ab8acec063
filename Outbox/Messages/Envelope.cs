namespace Outbox.Messages;

/// <summary>A message as it travels: who wrote it, what it is, its order, and its bytes. Immutable.</summary>
public sealed class Envelope
{
    /// <summary>No headers.</summary>
    internal static readonly IReadOnlyDictionary<string, string> NoHeaders = new Dictionary<string, string>(0);

    /// <summary>Unique id; consumers deduplicate by it.</summary>
    public required Guid MessageId { get; init; }

    /// <summary>Stable name of the message type; also the routing key.</summary>
    public required string Type { get; init; }

    /// <summary>The message's bytes.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>How to read the body. Default: <c>application/json</c>.</summary>
    public string ContentType { get; init; } = "application/json";

    /// <summary>Messages of one key keep their order; <see langword="null"/> means that no order is wanted.</summary>
    public string? PartitionKey { get; init; }

    /// <summary>The key's own sequence (1, 2, 3 …), or <see langword="null"/>.</summary>
    public long? KeySequence { get; init; }

    /// <summary>Name of the service's database that the message was written in.</summary>
    public string Source { get; init; } = "";

    /// <summary>When the row was written, in UTC, by the database's clock.</summary>
    public DateTime CreatedAt { get; init; }

    /// <summary>Further headers of the producer. Default: none.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = NoHeaders;
}
