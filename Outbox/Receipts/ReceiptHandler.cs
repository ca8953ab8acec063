using System.Data;
using Outbox.Consumers;
using Outbox.Sql;

namespace Outbox.Receipts;

/// <summary>The publisher's side: keeps the receipts that come back.</summary>
internal sealed class ReceiptHandler : IMessageHandler<ReceiptMessage>
{
    public async Task HandleAsync(ReceiptMessage message, MessageContext context, CancellationToken cancellationToken)
    {
        if (message.Outcome is not (ReceiptRow.Applied or ReceiptRow.Refused))
            throw new RejectMessageException($"The outcome of a receipt is '{ReceiptRow.Applied}' or '{ReceiptRow.Refused}', not '{IncomingMessage.Fit(message.Outcome, 100)}'.");
        if (message.MessageId == Guid.Empty || string.IsNullOrWhiteSpace(message.Consumer))
            throw new RejectMessageException("A receipt names its message and its consumer.");
        var connection = context.Transaction.Connection!;
        await connection.Command(SqlDialect.Of(connection).InsertReceipt, context.Transaction)
            .With("message_id", message.MessageId)
            .With("consumer", IncomingMessage.Fit(message.Consumer, 100))
            .With("outcome", message.Outcome)
            .With("reason", IncomingMessage.Fit(message.Reason, 2_000), DbType.String)
            .With("occurred_at", message.OccurredAt.UtcDateTime, DbType.DateTime)
            .ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }
}
