using System.Text;
using Outbox;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Broker.Bench;

/// <summary>An exchange and a quorum queue of their own for one measurement; removed at the end.</summary>
internal sealed class BenchQueue : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly List<string> _others = [];

    private BenchQueue(IConnection connection, IChannel channel, string name) => (_connection, _channel, Name) = (connection, channel, name);

    /// <summary>The name of both.</summary>
    public string Name { get; }

    public string Version => "RabbitMQ " + (_connection.ServerProperties?.TryGetValue("version", out var version) == true && version is byte[] text ? Encoding.ASCII.GetString(text) : "?");

    public static async Task<BenchQueue> CreateAsync(Uri uri, CancellationToken cancellationToken)
    {
        IConnection connection;
        try
        {
            connection = await new ConnectionFactory { Uri = uri, ClientProvidedName = "broker bench" }.CreateConnectionAsync(cancellationToken);
        }
        catch (BrokerUnreachableException exception)
        {
            throw new OutboxConfigurationException($"RabbitMQ at {uri.Host}:{(uri.Port > 0 ? uri.Port : 5672)} cannot be used: {exception.GetBaseException().Message}. Give the right --rabbitmq amqp://user:password@host:5672/vhost.", exception);
        }
        var queue = new BenchQueue(connection, await connection.CreateChannelAsync(cancellationToken: cancellationToken), $"bench_{Guid.CreateVersion7():N}");
        await queue._channel.ExchangeDeclareAsync(queue.Name, ExchangeType.Topic, durable: true, cancellationToken: cancellationToken);
        await queue._channel.QueueDeclareAsync(queue.Name, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: cancellationToken);
        await queue._channel.QueueBindAsync(queue.Name, queue.Name, "#", cancellationToken: cancellationToken);
        return queue;
    }

    /// <summary>Empties the queue and tells how many messages it held.</summary>
    public async Task<long> PurgeAsync(CancellationToken cancellationToken) => await _channel.QueuePurgeAsync(Name, cancellationToken);

    /// <summary>How many messages wait.</summary>
    public async Task<long> CountAsync(CancellationToken cancellationToken) => await _channel.MessageCountAsync(Name, cancellationToken);

    /// <summary>Lets the queue get nothing: consumers declare queues of their own, which are removed with it.</summary>
    public async Task OnlyItsExchangeAsync(IEnumerable<string> queues, CancellationToken cancellationToken)
    {
        _others.AddRange(queues);
        await _channel.QueueUnbindAsync(Name, Name, "#", cancellationToken: cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var other in _others)
        {
            await _channel.QueueDeleteAsync(other);
            await _channel.QueueDeleteAsync(other + ".dead");
        }
        await _channel.QueueDeleteAsync(Name);
        await _channel.ExchangeDeleteAsync(Name);
        await _connection.DisposeAsync();
    }
}
