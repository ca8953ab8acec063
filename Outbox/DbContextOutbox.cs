using Microsoft.EntityFrameworkCore;
using Outbox.Messages;

namespace Outbox;

/// <summary>Writes events with the changes of a context: they are saved by the same <c>SaveChanges</c>, in the same transaction (G1). Not thread-safe, like its context.</summary>
/// <remarks>Works with plain <c>SaveChanges</c>, with an explicit transaction, and from an interceptor or domain event raised while changes are being saved.</remarks>
public sealed class DbContextOutbox
{
    private readonly DbContext _context;
    private readonly OutboxMessageFactory _factory;

    internal DbContextOutbox(DbContext context, OutboxMessageFactory factory) => (_context, _factory) = (context, factory);

    /// <summary>Adds an event to be written by the next <c>SaveChanges</c>.</summary>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="partitionKey">Messages of one key keep their order. Default: no order wanted.</param>
    /// <returns>The message id.</returns>
    public Guid Add(object message, PartitionKey partitionKey = default) => Add(message, new MessageOptions { PartitionKey = partitionKey });

    /// <summary>Adds an event to be written by the next <c>SaveChanges</c>.</summary>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="options">Key, headers and times.</param>
    /// <returns>The message id.</returns>
    public Guid Add(object message, MessageOptions options)
    {
        var row = _factory.Create(message, options);
        _context.Add(row);
        return row.MessageId;
    }
}
