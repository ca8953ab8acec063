using System.Data.Common;
using Outbox.Sql;

namespace Outbox.Inbox;

internal sealed class DbTransactionInbox : IInbox
{
    public static DbTransactionInbox Instance { get; } = new();

    public async Task<bool> TryAddAsync(DbTransaction transaction, string consumer, Guid messageId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ArgumentException.ThrowIfNullOrEmpty(consumer);
        var connection = transaction.Connection ?? throw new ArgumentException("The transaction is already committed or rolled back.", nameof(transaction));
        return await connection.Command(SqlDialect.Of(connection).InsertInbox, transaction)
            .With("consumer", consumer).With("message_id", messageId).With("operation", "")
            .ExecuteAsync(cancellationToken).ConfigureAwait(false) == 1;
    }
}
