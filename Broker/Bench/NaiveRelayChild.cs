using System.Data.Common;
using System.Globalization;
using Outbox.Sql;
using RabbitMQ.Client;

namespace Broker.Bench;

/// <summary>The popular loop: read a hundred rows, publish each and wait for its confirm, mark them all, begin again.</summary>
internal sealed class NaiveRelayChild(ChildTask task) : IChild
{
    private readonly SqlDialect _dialect = BenchDatabase.Engine(task.Engine);
    private readonly BenchSql _sql = BenchSql.Of(BenchDatabase.Engine(task.Engine));
    private DbDataSource? _dataSource;
    private IConnection? _connection;
    private IChannel? _channel;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        _dataSource = DataSources.Create(_dialect, task.ConnectionStrings[0]);
        _connection = await new ConnectionFactory { Uri = new Uri(task.RabbitMq), ClientProvidedName = "broker bench (naive)" }.CreateConnectionAsync(cancellationToken);
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken);
        await DrainAsync(task.WarmUp, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        await DrainAsync(task.Messages, cancellationToken);
        return new ChildResult { Count = task.Messages, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds };
    }

    public async ValueTask DisposeAsync()
    {
        if (_channel is not null)
            await _channel.DisposeAsync();
        if (_connection is not null)
            await _connection.DisposeAsync();
        if (_dataSource is not null)
            await _dataSource.DisposeAsync();
    }

    private async Task DrainAsync(int rows, CancellationToken cancellationToken)
    {
        while (rows > 0)
        {
            await using var connection = await _dataSource!.OpenConnectionAsync(cancellationToken);
            var sequences = new List<long>();
            await using (var command = connection.Command(_sql.ReadHundred))
            await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
            {
                while (await reader.ReadAsync(cancellationToken))
                {
                    var properties = new BasicProperties { DeliveryMode = DeliveryModes.Persistent, MessageId = Convert.ToString(reader.GetValue(1), CultureInfo.InvariantCulture), Type = reader.GetString(2), ContentType = "application/json" };
                    await _channel!.BasicPublishAsync(task.Exchange, reader.GetString(2), mandatory: true, properties, reader.GetFieldValue<byte[]>(3), cancellationToken);
                    sequences.Add(reader.GetInt64(0));
                }
            }
            if (sequences.Count == 0)
                throw new BenchFailedException($"The naive loop found no rows; {rows} were left to do.");
            await connection.Command(_sql.DeleteRows(sequences)).ExecuteAsync(cancellationToken);
            rows -= sequences.Count;
        }
    }
}
