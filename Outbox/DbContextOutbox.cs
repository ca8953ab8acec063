using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Outbox.Messages;
using Outbox.Receipts;

namespace Outbox;

/// <summary>Writes events with the changes of a context: they are saved by the same <c>SaveChanges</c>, in the same transaction (G1). Not thread-safe, like its context.</summary>
/// <remarks>Works with plain <c>SaveChanges</c>, with an explicit transaction, and from an interceptor or domain event raised while changes are being saved.</remarks>
public sealed class DbContextOutbox
{
    private readonly DbContext _context;
    private readonly OutboxRegistration? _registration;

    internal DbContextOutbox(DbContext context, OutboxRegistration? registration) => (_context, _registration) = (context, registration);

    /// <summary>Adds an event to be written by the next <c>SaveChanges</c>.</summary>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="partitionKey">Messages of one key keep their order. Default: no order wanted.</param>
    /// <returns>The message id.</returns>
    public Guid Add(object message, PartitionKey partitionKey = default) => Add(message, new MessageOptions { PartitionKey = partitionKey });

    /// <summary>Adds an event to be written by the next <c>SaveChanges</c>.</summary>
    /// <param name="message">An instance of a class with a <see cref="MessageTypeAttribute"/>.</param>
    /// <param name="options">Key, headers, times, and whether receipts are wanted.</param>
    /// <returns>The message id.</returns>
    public Guid Add(object message, MessageOptions options)
    {
        var row = (_registration?.Messages ?? OutboxMessageFactory.Default).Create(message, options);
        if (row.PartitionKey is { } key && _registration is not null)
            row.Partition = Partitioner.PartitionOf(key, _registration.Partitions.Current ?? Partitions(_registration));
        _context.Add(row);
        if (options.WantsReceipt)
            _context.Add(new ReceiptRequest { MessageId = row.MessageId, Type = row.Type });
        return row.MessageId;
    }

    /// <summary>The number that holds until the rows are written; they are then looked at again, unless that has been done, or nobody does it for this context.</summary>
    private int Partitions(OutboxRegistration registration)
    {
        var interceptor = _context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.OfType<OutboxInterceptor>().FirstOrDefault(i => i.Registration == registration);
        return interceptor is not null && !interceptor.IsSaving(_context) ? 1 : registration.GetPartitions(_context);
    }
}
