using System.Data.Common;

namespace Outbox.Inbox;

/// <summary>Records which messages have taken effect in a database. Thread-safe; a transaction is not.</summary>
/// <remarks>Consumers registered with <see cref="OutboxBuilder.AddConsumer"/> use it by themselves; it is public for those who receive messages in a way of their own.</remarks>
public interface IInbox
{
    /// <summary>Records a message in the transaction that holds its effects (G4).</summary>
    /// <param name="transaction">The transaction that the effects are written in.</param>
    /// <param name="consumer">Name of the consumer.</param>
    /// <param name="messageId">The message.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns><see langword="true"/> if the message is new; <see langword="false"/> if its effects are already committed: roll back and accept it.</returns>
    /// <exception cref="ArgumentException">The transaction is already over.</exception>
    /// <remarks>While another transaction is applying the same message, the call waits for its end.</remarks>
    Task<bool> TryAddAsync(DbTransaction transaction, string consumer, Guid messageId, CancellationToken cancellationToken);

    /// <summary>Records many messages in the transaction that holds their effects (G4), in one statement.</summary>
    /// <param name="transaction">The transaction that the effects are written in.</param>
    /// <param name="consumer">Name of the consumer.</param>
    /// <param name="messageIds">The messages, up to about 2,000; an id that occurs twice counts once.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The messages that are new. The effects of the others are already committed: leave them out and accept them.</returns>
    /// <exception cref="ArgumentException">The transaction is already over.</exception>
    /// <remarks>While another transaction is applying one of the messages, the call waits for its end. Two calls never wait for each other: both go by the order of the ids.</remarks>
    Task<IReadOnlySet<Guid>> TryAddAsync(DbTransaction transaction, string consumer, IReadOnlyCollection<Guid> messageIds, CancellationToken cancellationToken);
}
