using System.Data.Common;

namespace Outbox.Consumers;

/// <summary>What the messages of a batch have in common.</summary>
public sealed class BatchContext
{
    internal BatchContext()
    {
    }

    /// <summary>Name of the consumer.</summary>
    public required string Consumer { get; init; }

    /// <summary>The transaction that the effects belong in: the context's own, or one of plain ADO.NET. It is committed after the handler returns; leave that to the consumer.</summary>
    public required DbTransaction Transaction { get; init; }
}
