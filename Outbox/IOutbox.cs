using System.Data.Common;
using Outbox.Messages;
using Outbox.Receipts;

namespace Outbox;

/// <summary>Writes events in a transaction of plain ADO.NET, or of a library on top of it such as Dapper. Thread-safe; a transaction is not.</summary>
/// <remarks>With several outboxes in one service, ask for the one of a source: <c>[FromKeyedServices("orders")] IOutbox outbox</c>.</remarks>
public interface IOutbox
{
    /// <summary>Writes an event in <paramref name="transaction"/>: it exists if and only if that commits (G1).</summary>
    /// <param name="transaction">An open transaction of the outbox's own database.</param>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="partitionKey">Messages of one key keep their order; <c>default</c> when no order is wanted.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The message id.</returns>
    /// <exception cref="ArgumentException">The transaction is already over, or an argument is not valid.</exception>
    Task<Guid> AddAsync(DbTransaction transaction, object message, PartitionKey partitionKey = default, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="AddAsync(DbTransaction, object, PartitionKey, CancellationToken)"/>
    /// <param name="transaction">An open transaction of the outbox's own database.</param>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="options">Key, headers and times.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<Guid> AddAsync(DbTransaction transaction, object message, MessageOptions options, CancellationToken cancellationToken = default);

    /// <summary>Commits <paramref name="transaction"/> and then wakes the relays, so that its events leave at once.</summary>
    /// <remarks>A plain <c>transaction.CommitAsync()</c> is as safe and a few milliseconds slower: the relay, told by <c>AddAsync</c>, looks after 5, 10, 20 … milliseconds.</remarks>
    /// <param name="transaction">An open transaction of the outbox's own database.</param>
    /// <param name="cancellationToken">Ends the wait, as the driver does it: whether the transaction was committed is then unknown.</param>
    Task CommitAsync(DbTransaction transaction, CancellationToken cancellationToken = default);

    /// <summary>Writes an event in a transaction of its own, and waits until its consumers have applied it: their effects are committed.</summary>
    /// <remarks>No connection and no thread is held while it waits. Whatever the outcome, the message is written and stays so; ask again with <see cref="WhenAppliedAsync"/>, also from another process of the service.</remarks>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="appliedBy">Who must have applied it.</param>
    /// <param name="timeout">The longest wait, counted from the commit; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="options">Key, headers and times. Give a <see cref="MessageOptions.MessageId"/> to be able to ask again after an error.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Who has applied the message, who has refused it and who is missing. A time-out is such an outcome, not an exception.</returns>
    /// <exception cref="OutboxConfigurationException">The outbox has no <see cref="OutboxBuilder.UseReceipts"/>.</exception>
    /// <exception cref="DbException">The message could not be written; if the commit failed, it is unknown whether it was.</exception>
    Task<Receipt> PublishAndWaitAsync(object message, AppliedBy appliedBy, TimeSpan timeout, MessageOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Waits until the consumers of a message have applied it. For messages written with <see cref="MessageOptions.WantsReceipt"/>, after their commit; by any process of the service, and as often as wanted.</summary>
    /// <param name="messageId">The message.</param>
    /// <param name="appliedBy">Who must have applied it.</param>
    /// <param name="timeout">The longest wait. Zero tells how things stand now; <see cref="Timeout.InfiniteTimeSpan"/> waits for as long as it takes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Who has applied the message, who has refused it and who is missing. A time-out is such an outcome, not an exception; a refusal ends the wait as soon as the rest is not enough.</returns>
    /// <exception cref="OutboxConfigurationException">The outbox has no <see cref="OutboxBuilder.UseReceipts"/>.</exception>
    /// <exception cref="DbException">The database did not answer all the time.</exception>
    Task<Receipt> WhenAppliedAsync(Guid messageId, AppliedBy appliedBy, TimeSpan timeout, CancellationToken cancellationToken = default);
}
