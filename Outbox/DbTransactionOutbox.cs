using System.Data.Common;
using System.Transactions;
using Outbox.Messages;
using Outbox.Receipts;
using Outbox.Sql;

namespace Outbox;

internal sealed class DbTransactionOutbox(OutboxRegistration registration, IServiceProvider services) : IOutbox
{
    public Task<Guid> AddAsync(DbTransaction transaction, object message, PartitionKey partitionKey, CancellationToken cancellationToken) =>
        AddAsync(transaction, message, new MessageOptions { PartitionKey = partitionKey }, cancellationToken);

    public async Task<Guid> AddAsync(DbTransaction transaction, object message, MessageOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        var connection = transaction.Connection ?? throw new ArgumentException("The transaction is already committed or rolled back.", nameof(transaction));
        var row = registration.Messages.Create(message, options);
        if (row.PartitionKey is { } key)
            row.Partition = Partitioner.PartitionOf(key, await registration.Partitions.GetAsync(registration.DataSource(services), connection, transaction, cancellationToken).ConfigureAwait(false));
        await OutboxRows.InsertAsync(transaction, row, cancellationToken).ConfigureAwait(false);
        if (options.WantsReceipt)
        {
            await connection.Command(SqlDialect.Of(connection).InsertReceiptRequest, transaction)
                .With("message_id", row.MessageId).With("type", row.Type)
                .ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        // The commit may be the caller's own and say nothing to us.
        registration.Signal.RaiseSoon();
        return row.MessageId;
    }

    public async Task CommitAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        try
        {
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // G1: a commit that ended in an error may have happened, so the relay looks in any case.
            registration.Signal.Raise();
        }
    }

    public async Task<Receipt> PublishAndWaitAsync(object message, AppliedBy appliedBy, TimeSpan timeout, MessageOptions? options, CancellationToken cancellationToken)
    {
        Check(appliedBy, timeout);
        var messageId = await PublishAsync(message, (options ?? new MessageOptions()) with { WantsReceipt = true }, cancellationToken).ConfigureAwait(false);
        return await WhenAppliedAsync(messageId, appliedBy, timeout, cancellationToken).ConfigureAwait(false);
    }

    public Task<Receipt> WhenAppliedAsync(Guid messageId, AppliedBy appliedBy, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Check(appliedBy, timeout);
        if (registration.Options.Receipts is null)
            throw new OutboxConfigurationException($"Outbox '{registration.Source}' takes no receipts, so there is nothing to wait for. Add outbox.UseReceipts().");
        return registration.Receipts(services).WaitAsync(messageId, appliedBy, timeout, cancellationToken);
    }

    private static void Check(AppliedBy appliedBy, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(appliedBy);
        if ((timeout < TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan) || timeout.TotalMilliseconds >= uint.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "The time-out is zero, positive and below 49 days, or Timeout.InfiniteTimeSpan.");
    }

    /// <summary>Writes the message in a transaction of its own. Nothing of it is left open when it returns.</summary>
    private async Task<Guid> PublishAsync(object message, MessageOptions options, CancellationToken cancellationToken)
    {
        // In the caller's distributed transaction the message would wait for the caller, who waits for it.
        using var suppressed = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        var connection = await registration.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var rollback = transaction.ConfigureAwait(false);
        var messageId = await AddAsync(transaction, message, options, cancellationToken).ConfigureAwait(false);
        await CommitAsync(transaction, cancellationToken).ConfigureAwait(false);
        return messageId;
    }
}
