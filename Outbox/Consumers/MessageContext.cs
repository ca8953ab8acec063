using System.Data.Common;
using Outbox.Sagas;

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

    /// <summary>The saga that has sent the message, and for which of its steps; null if none has.</summary>
    public SagaCall? Saga { get; internal init; }

    /// <summary>Whether the handler has refused what the saga asked for.</summary>
    internal bool HasRefused { get; private set; }

    internal SagaParticipant Participant { get; init; } = null!;

    /// <summary>Has something happen once <see cref="Transaction"/> is committed, and not if it is rolled back.</summary>
    internal Action<Action> AfterCommit { get; init; } = null!;

    /// <summary>Publishes a message in this transaction. To a saga's command it is the reply: it says which step it answers.</summary>
    /// <param name="message">An instance of a class with a <see cref="Messages.MessageTypeAttribute"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ReplyAsync(object message, CancellationToken cancellationToken = default) => Participant.ReplyAsync(Transaction, message, Saga, cancellationToken);

    /// <summary>Refuses what a saga asked for: a business answer, not an error. The message counts as handled, and the saga undoes the steps before this one.</summary>
    /// <param name="reason">Why, for people.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="InvalidOperationException">No saga has sent the message, so nobody waits for an answer: see <see cref="Saga"/>.</exception>
    /// <remarks>What the handler has changed is committed, so refuse before anything is changed.</remarks>
    public async Task RefuseAsync(string reason, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        await Participant.RefuseAsync(Transaction, Asked(), reason, cancellationToken).ConfigureAwait(false);
        HasRefused = true;
    }

    /// <summary>Refuses what a saga asked for by a message of a type of its own: what the step's <c>OnRefusal</c> waits for.</summary>
    /// <inheritdoc cref="RefuseAsync(string, CancellationToken)"/>
    /// <param name="message">An instance of a class with a <see cref="Messages.MessageTypeAttribute"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task RefuseAsync(object message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        await Participant.ReplyAsync(Transaction, message, Asked(), cancellationToken).ConfigureAwait(false);
        HasRefused = true;
    }

    private SagaCall Asked() => Saga ?? throw new InvalidOperationException($"Message {MessageId} ({Type}) was not sent by a saga, so nobody waits for a refusal. Ask context.Saga, or throw RejectMessageException to set the message aside.");
}
