using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Broker.Tests.Support;

/// <summary>RabbitMQ as an operator or a foreign program sees it, through the client library alone.</summary>
internal sealed class TestBroker : IAsyncDisposable
{
    private readonly IConnection _connection;

    private TestBroker(IConnection connection) => _connection = connection;

    public static async Task<TestBroker> ConnectAsync(string? uri = null) =>
        new(await new ConnectionFactory { Uri = new Uri(uri ?? await TestServers.RabbitMqAsync()), ClientProvidedName = "tests" }.CreateConnectionAsync());

    /// <summary>How many messages are ready in a queue; null when there is no such queue.</summary>
    public Task<uint?> CountAsync(string queue) => OnChannelAsync<uint?>(async channel =>
    {
        try
        {
            return (await channel.QueueDeclarePassiveAsync(queue)).MessageCount;
        }
        catch (OperationInterruptedException)
        {
            return null;
        }
    });

    /// <summary>Takes one message out of a queue; null when it is empty.</summary>
    public Task<BasicGetResult?> GetAsync(string queue) => OnChannelAsync(channel => channel.BasicGetAsync(queue, autoAck: true));

    /// <summary>Takes all that is in a queue, and tells the ids.</summary>
    public Task<HashSet<Guid>> DrainAsync(string queue) => OnChannelAsync(async channel =>
    {
        var ids = new HashSet<Guid>();
        while (await channel.BasicGetAsync(queue, autoAck: true) is { } message)
            ids.Add(Guid.Parse(message.BasicProperties.MessageId!));
        return ids;
    });

    /// <summary>Publishes as a foreign program would, and waits for the confirm.</summary>
    public Task PublishAsync(string exchange, string routingKey, BasicProperties properties, ReadOnlyMemory<byte> body) =>
        OnChannelAsync(async channel =>
        {
            await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, properties, body);
            return true;
        });

    public Task DeclareExchangeAsync(string exchange) => OnChannelAsync(async channel =>
    {
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true, autoDelete: false);
        return true;
    });

    public Task DeclareQueueAsync(string queue, string exchange, string routingKey, Dictionary<string, object?>? arguments = null) => OnChannelAsync(async channel =>
    {
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?>(arguments ?? []) { ["x-queue-type"] = "quorum" });
        await channel.QueueBindAsync(queue, exchange, routingKey);
        return true;
    });

    public Task DeleteQueueAsync(string queue) => OnChannelAsync(channel => channel.QueueDeleteAsync(queue));

    public Task DeleteExchangeAsync(string exchange) => OnChannelAsync(async channel =>
    {
        await channel.ExchangeDeleteAsync(exchange);
        return true;
    });

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    // A channel for each call: a refused one is closed by the broker.
    private async Task<T> OnChannelAsync<T>(Func<IChannel, Task<T>> work)
    {
        await using var channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        return await work(channel);
    }
}
