using System.Data;
using System.Data.Common;
using Outbox.Sql;

namespace Outbox;

/// <summary>Writes rows of the outbox by plain ADO.NET.</summary>
internal static class OutboxRows
{
    /// <summary>Writes a row in a transaction: it exists if and only if that commits (G1).</summary>
    public static async Task InsertAsync(DbTransaction transaction, OutboxMessage row, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection!;
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
    }
}
