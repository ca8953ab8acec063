using System.Data.Common;
using Outbox.Messages;

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
}
