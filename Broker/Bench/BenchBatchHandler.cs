using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>The effect of <see cref="BenchHandler"/>, for many messages with one statement.</summary>
internal sealed class BenchBatchHandler : IBatchHandler<BenchMessage>
{
    private const int RowsOfStatement = 1_000;

    public async Task HandleAsync(IReadOnlyList<ReceivedMessage<BenchMessage>> messages, BatchContext context, CancellationToken cancellationToken)
    {
        foreach (var some in messages.Chunk(RowsOfStatement))
            await context.Transaction.Connection!.Command(BenchSql.InsertEffects(some.Select(m => m.Context.MessageId)), context.Transaction).ExecuteAsync(cancellationToken);
    }
}
