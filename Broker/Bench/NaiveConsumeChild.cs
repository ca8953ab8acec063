using System.Data.Common;
using Outbox.Sql;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Broker.Bench;

/// <summary>The popular consumer: for one message after another it begins a transaction, looks whether the message is known, notes it, applies it, commits, and accepts.</summary>
internal sealed class NaiveConsumeChild(ChildTask task) : IChild
{
    private readonly BenchSql _sql = BenchSql.Of(BenchDatabase.Engine(task.Engine));
    private DbDataSource? _dataSource;
    private IConnection? _connection;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        _dataSource = DataSources.Create(BenchDatabase.Engine(task.Engine), task.ConnectionStrings[^1]);
        _connection = await new ConnectionFactory { Uri = new Uri(task.RabbitMq), ClientProvidedName = "broker bench (naive)" }.CreateConnectionAsync(cancellationToken);
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
        if (_dataSource is not null)
            await _dataSource.DisposeAsync();
    }

    /// <summary>The time is from when the broker has said that it delivers to the last accept.</summary>
    private async Task<TimeSpan> ConsumeAsync(int messages, CancellationToken cancellationToken)
    {
        if (messages == 0)
            return TimeSpan.Zero;
        await using var channel = await _connection!.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.BasicQosAsync(0, 100, global: false, cancellationToken);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var count = 0;
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            try
            {
                await ApplyAsync(Guid.Parse(delivery.BasicProperties.MessageId!), cancellationToken);
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false, CancellationToken.None);
                if (++count == messages)
                    done.TrySetResult();
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                done.TrySetException(exception);
            }
        };
        await channel.BasicConsumeAsync(task.Exchange, autoAck: false, consumer, cancellationToken);
        var start = TimeProvider.System.GetTimestamp();
        await done.Task.WaitAsync(cancellationToken);
        return TimeProvider.System.GetElapsedTime(start);
    }

    private async Task ApplyAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource!.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        DbCommand About(string sql) => connection.Command(sql, transaction).With("consumer", ServiceUnderTest.Consumer).With("message_id", id);
        if (Convert.ToInt64(await About(_sql.FindInbox).ScalarAsync(cancellationToken), System.Globalization.CultureInfo.InvariantCulture) == 0)
        {
            await About(_sql.InsertInbox).ExecuteAsync(cancellationToken);
            await connection.Command(_sql.InsertEffect, transaction).With("message_id", id.ToString()).ExecuteAsync(cancellationToken);
        }
        await transaction.CommitAsync(cancellationToken);
    }
}
