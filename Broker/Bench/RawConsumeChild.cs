using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Broker.Bench;

/// <summary>Takes messages and accepts them, many at once, as fast as is known; applies nothing.</summary>
internal sealed class RawConsumeChild(ChildTask task) : IChild
{
    private const ushort Prefetch = 1_000;

    private IConnection? _connection;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        _connection = await new ConnectionFactory { Uri = new Uri(task.RabbitMq), ClientProvidedName = "broker bench (raw)" }.CreateConnectionAsync(cancellationToken);
        await ConsumeAsync(task.WarmUp, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var took = await ConsumeAsync(task.Messages, cancellationToken);
        return new ChildResult { Count = task.Messages, Seconds = took.TotalSeconds };
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
    }

    /// <summary>The time is from when the broker has said that it delivers to the last message.</summary>
    private async Task<TimeSpan> ConsumeAsync(int messages, CancellationToken cancellationToken)
    {
        if (messages == 0)
            return TimeSpan.Zero;
        await using var channel = await _connection!.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.BasicQosAsync(0, Prefetch, global: false, cancellationToken);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (count, unaccepted) = (0, 0);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            count++;
            if (++unaccepted >= Prefetch / 2 || count == messages)
            {
                unaccepted = 0;
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: true, CancellationToken.None);
            }
            if (count == messages)
                done.TrySetResult();
        };
        await channel.BasicConsumeAsync(task.Exchange, autoAck: false, consumer, cancellationToken);
        var start = TimeProvider.System.GetTimestamp();
        await done.Task.WaitAsync(cancellationToken);
        return TimeProvider.System.GetElapsedTime(start);
    }
}
