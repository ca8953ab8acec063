using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Broker.Campaigns;

/// <summary>Somebody on the network who sends some of what passes once more, later and so out of order: as it was, or, where a saga has to stand that, under an id of its own.</summary>
internal sealed class MessageCopier : IAsyncDisposable
{
    private const string Mark = "campaign-copy";

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _later = [];
    private readonly Lock _lock = new();
    private readonly Random _random;
    private int _copies;

    private MessageCopier(IConnection connection, IChannel channel, int seed) => (_connection, _channel, _random) = (connection, channel, new Random(seed));

    public int Copies => Volatile.Read(ref _copies);

    /// <summary>Begins to copy what passes an exchange.</summary>
    public static async Task<MessageCopier> StartAsync(string uri, string exchange, double share, int seed)
    {
        var connection = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync();
        var channel = await connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true);
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.QueueBindAsync(queue, exchange, "#");
        var copier = new MessageCopier(connection, channel, seed);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) => copier.SeenAsync(delivery, exchange, share);
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
        return copier;
    }

    private Task SeenAsync(BasicDeliverEventArgs delivery, string exchange, double share)
    {
        if (delivery.BasicProperties.Headers?.ContainsKey(Mark) == true)
            return Task.CompletedTask;
        lock (_lock)
        {
            if (_random.NextDouble() >= share)
                return Task.CompletedTask;
            // Calls of sagas, their answers and their starts are known under any id. An event under another id is another event, for every consumer.
            var isKnownUnderAnyId = delivery.BasicProperties.Headers?.ContainsKey("outbox-saga") == true || delivery.RoutingKey.StartsWith("outbox.saga.", StringComparison.Ordinal) || delivery.RoutingKey == "campaign.order-placed.v1";
            var (wait, hasOwnId) = (TimeSpan.FromMilliseconds(Math.Pow(10, _random.NextDouble() * 4)), isKnownUnderAnyId && _random.Next(2) == 0);
            var properties = new BasicProperties(delivery.BasicProperties) { Headers = new Dictionary<string, object?>(delivery.BasicProperties.Headers ?? new Dictionary<string, object?>()) { [Mark] = "1" } };
            if (hasOwnId)
                properties.MessageId = Guid.CreateVersion7().ToString();
            var (key, body) = (delivery.RoutingKey, delivery.Body.ToArray());
            _later.Add(Task.Run(async () =>
            {
                await Task.Delay(wait, _end.Token);
                await _channel.BasicPublishAsync(exchange, key, mandatory: false, properties, body);
                Interlocked.Increment(ref _copies);
            }));
            if (_later.Count > 2_000)
                _later.RemoveAll(t => t.IsCompleted);
        }
        return Task.CompletedTask;
    }

    /// <summary>Waits until what it holds back is sent.</summary>
    public async Task SentAsync()
    {
        Task[] later;
        lock (_lock)
            later = [.. _later];
        await Task.WhenAll(later).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await SentAsync();
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
        _end.Dispose();
    }
}
