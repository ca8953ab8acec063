using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>The smallest effect that can be counted: one row for each message.</summary>
internal sealed class BenchHandler(BenchSql sql) : IMessageHandler<BenchMessage>
{
    public Task HandleAsync(BenchMessage message, MessageContext context, CancellationToken cancellationToken) =>
        context.Transaction.Connection!.Command(sql.InsertEffect, context.Transaction).With("message_id", context.MessageId.ToString()).ExecuteAsync(cancellationToken);
}
