using System.Buffers.Binary;
using System.Collections.Concurrent;
using Outbox.Consumers;

namespace Broker.Bench;

/// <summary>The effect of <see cref="BenchHandler"/>; where some are to fail, one message in 500 fails always, and one in 50 twice.</summary>
internal sealed class FailingHandler(ChildTask task, BenchSql sql, FailingHandler.FailedKeys failed) : IMessageHandler<BenchMessage>
{
    private const int Always = 500;
    private const int Twice = 50;

    private readonly BenchHandler _inner = new(sql);

    /// <summary>The keys of which a message has failed.</summary>
    internal sealed class FailedKeys : ConcurrentDictionary<string, byte>;

    public async Task HandleAsync(BenchMessage message, MessageContext context, CancellationToken cancellationToken)
    {
        await _inner.HandleAsync(message, context, cancellationToken);
        // After the effect, which has to be undone. The end of an id is random.
        var number = BinaryPrimitives.ReadUInt32BigEndian(context.MessageId.ToByteArray(bigEndian: true).AsSpan(12));
        if (task.SomeFail && (number % Always == 0 || (number % Twice == 1 && context.Attempt <= 2)))
        {
            failed.TryAdd(context.PartitionKey!, 0);
            throw new InvalidOperationException("This message fails.");
        }
    }
}
