using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sql;

namespace Outbox.Receipts;

/// <summary>The publisher's side: remembers who consumes from its exchange, and which types.</summary>
internal sealed class AnnouncementHandler(IEnumerable<OutboxRegistration> outboxes) : IMessageHandler<ConsumerAnnouncement>
{
    public async Task HandleAsync(ConsumerAnnouncement message, MessageContext context, CancellationToken cancellationToken)
    {
        var outbox = outboxes.Single(o => ReceiptConsumers.AnnouncementsOf(o.Source) == context.Consumer);
        if (message.Exchange != outbox.Options.Exchange)
            return;
        if (string.IsNullOrWhiteSpace(message.Consumer) || message.Consumer.Length > 100 || message.Types is null)
            throw new RejectMessageException("An announcement names the consumer, with at most 100 characters, and its types.");
        var connection = context.Transaction.Connection!;
        // In one order everywhere, so that two announcements cannot each wait for the other.
        foreach (var type in message.Types.Where(t => t is { Length: > 0 and <= MessageTypeRegistry.MaxNameLength }).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            await connection.Command(SqlDialect.Of(connection).InsertConsumer, context.Transaction)
                .With("name", message.Consumer).With("type", type)
                .ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
