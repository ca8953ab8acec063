using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sagas;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>The saga that is measured: two steps, each one change in the database of its service.</summary>
internal sealed class BenchTransfer : Saga<BenchTransfer.Begin>
{
    public const string Name = "bench-transfer";

    public const string LastStep = "give";

    public BenchTransfer()
    {
        StartedBy<Begin>(m => m.Id, m => m);
        Step("take").Send(s => new Take(s.From)).Compensate(s => new Return(s.From));
        Step(LastStep).Pivot().Send(s => new Give(s.To));
    }

    [MessageType("bench.transfer-begun.v1")]
    internal sealed record Begin(string Id, int From, int To);

    [MessageType("bench.take.v1")]
    internal sealed record Take(int Account);

    [MessageType("bench.return.v1")]
    internal sealed record Return(int Account);

    [MessageType("bench.give.v1")]
    internal sealed record Give(int Account);

    internal sealed class Handler(BenchSql sql) : IMessageHandler<Take>, IMessageHandler<Return>, IMessageHandler<Give>
    {
        public Task HandleAsync(Take message, MessageContext context, CancellationToken cancellationToken) => ChangeAsync(message.Account, context, cancellationToken);

        public Task HandleAsync(Return message, MessageContext context, CancellationToken cancellationToken) => ChangeAsync(message.Account, context, cancellationToken);

        public Task HandleAsync(Give message, MessageContext context, CancellationToken cancellationToken) => ChangeAsync(message.Account, context, cancellationToken);

        private Task<int> ChangeAsync(int account, MessageContext context, CancellationToken cancellationToken) =>
            context.Transaction.Connection!.Command(sql.UpdateAccount, context.Transaction).With("id", account).ExecuteAsync(cancellationToken);
    }
}
