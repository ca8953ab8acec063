using Microsoft.EntityFrameworkCore;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;

namespace Broker.Tests.Docs;

// The code that docs/message-lifecycle.md shows of numbers. DocumentationTests holds the two together.
public static class NumberExamples
{
    public static void Publish(DbContext db, Account account) =>
        db.Outbox().Add(new BalanceChanged(account.Id, account.Balance), new MessageOptions { PartitionKey = account.Id.ToString(), KeySequence = account.Version });

    public static void Consume(ConsumerBuilder consumer) => consumer.ByKeySequence(gapTimeout: TimeSpan.FromHours(1), startsAt: KeySequenceStart.FirstSeen);

    public sealed record Account(Guid Id, decimal Balance, long Version);

    [MessageType("accounts.balance-changed.v1")]
    public sealed record BalanceChanged(Guid AccountId, decimal Balance);
}
