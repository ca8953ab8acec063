using System.Data;
using System.Data.Common;
using Outbox.Sql;

namespace Outbox;

/// <summary>Writes rows of the outbox by plain ADO.NET.</summary>
internal static class OutboxRows
{
    /// <summary>Writes a row in a transaction: it exists if and only if that commits (G1).</summary>
    public static Task InsertAsync(DbTransaction transaction, OutboxMessage row, CancellationToken cancellationToken) => InsertAsync(transaction, row, TimeSpan.Zero, cancellationToken);

    /// <summary>The same, to be published so long after now, by the database's clock.</summary>
    public static async Task InsertAsync(DbTransaction transaction, OutboxMessage row, TimeSpan delay, CancellationToken cancellationToken)
    {
        var (connection, dialect) = (transaction.Connection!, SqlDialect.Of(transaction.Connection!));
        var command = connection.Command(delay > TimeSpan.Zero ? dialect.InsertDelayedMessage : dialect.InsertMessage, transaction)
            .With("message_id", row.MessageId)
            .With("partition", row.Partition)
            .With("partition_key", row.PartitionKey, DbType.String)
            .With("key_sequence", row.KeySequence, DbType.Int64)
            .With("type", row.Type)
            .With("headers", row.Headers, DbType.String)
            .With("content_type", row.ContentType)
            .With("body", row.Body)
            .With("expires_at", row.ExpiresAt, DbType.DateTime);
        command = delay > TimeSpan.Zero ? command.With("wait", (long)delay.TotalMilliseconds) : command.With("not_before", row.NotBefore, DbType.DateTime);
        await command.ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }
}
