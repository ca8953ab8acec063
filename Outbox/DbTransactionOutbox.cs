using System.Data;
using System.Data.Common;
using Outbox.Messages;
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
        await connection.Command(SqlDialect.Of(connection).InsertMessage, transaction)
            .With("message_id", row.MessageId)
            .With("partition", row.Partition)
            .With("partition_key", row.PartitionKey, DbType.String)
            .With("key_sequence", row.KeySequence, DbType.Int64)
            .With("type", row.Type)
            .With("headers", row.Headers, DbType.String)
            .With("content_type", row.ContentType)
            .With("body", row.Body)
            .With("not_before", row.NotBefore, DbType.DateTime)
            .With("expires_at", row.ExpiresAt, DbType.DateTime)
            .ExecuteAsync(cancellationToken).ConfigureAwait(false);
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
}
