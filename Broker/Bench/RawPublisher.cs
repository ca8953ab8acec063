using RabbitMQ.Client;

namespace Broker.Bench;

/// <summary>The fastest safe way to publish that is known: persistent, mandatory, confirms in a window, one channel. The measure for the relay; shares no code with it.</summary>
internal sealed class RawPublisher : IAsyncDisposable
{
    public const int StandardWindow = 1_024;

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly string _exchange;
    private readonly SemaphoreSlim _window;
    private ulong _published;
    private ulong _confirmed;
    private ulong _target;
    private TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _closing;

    private RawPublisher(IConnection connection, IChannel channel, string exchange, int window)
    {
        (_connection, _channel, _exchange, _window) = (connection, channel, exchange, new SemaphoreSlim(window));
        channel.BasicAcksAsync += (_, ack) =>
        {
            var places = ack.Multiple ? (int)(ack.DeliveryTag - _confirmed) : 1;
            _confirmed += (ulong)places;
            _window.Release(places);
            if (_confirmed == Volatile.Read(ref _target))
                _done.TrySetResult();
            return Task.CompletedTask;
        };
        channel.BasicNacksAsync += (_, _) => Fail("nack");
        channel.BasicReturnAsync += (_, _) => Fail("return");
        channel.ChannelShutdownAsync += (_, shutdown) => _closing ? Task.CompletedTask : Fail(shutdown.ReplyText);
    }

    public static async Task<RawPublisher> OpenAsync(Uri uri, string exchange, int window, CancellationToken cancellationToken)
    {
        var connection = await new ConnectionFactory { Uri = uri, AutomaticRecoveryEnabled = false, ClientProvidedName = "broker bench (raw)" }.CreateConnectionAsync(cancellationToken);
        return new RawPublisher(connection, await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false), cancellationToken), exchange, window);
    }

    /// <summary>Publishes and waits for all confirms. With keys, these take turns, beginning with the first.</summary>
    public async Task<TimeSpan> PublishAsync(byte[] body, int count, CancellationToken cancellationToken, int keys = 0, int first = 0)
    {
        _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _target, _published + (ulong)count);
        _published += (ulong)count;
        // The same message as the relay's, header for header: the broker's work for each counts in both.
        var id = new byte[36];
        var properties = new BasicProperties
        {
            DeliveryMode = DeliveryModes.Persistent,
            Type = BenchMessage.Type,
            ContentType = "application/json",
            Timestamp = new AmqpTimestamp(1_790_000_000),
            Headers = new Dictionary<string, object?>
            {
                ["cloudEvents:specversion"] = "1.0",
                ["cloudEvents:id"] = id,
                ["cloudEvents:source"] = "bench-0",
                ["cloudEvents:type"] = BenchMessage.Type,
                ["cloudEvents:time"] = "2026-01-31T23:59:59.123Z",
            },
        };
        var start = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < count && !_done.Task.IsFaulted; i++)
        {
            if (!_window.Wait(0, CancellationToken.None))
                await _window.WaitAsync(cancellationToken);
            var next = Guid.CreateVersion7();
            next.TryFormat(id, out _);
            if (keys > 0)
                properties.Headers["cloudEvents:partitionkey"] = $"key-{(first + i) % keys}";
            properties.MessageId = next.ToString();
            await _channel.BasicPublishAsync(_exchange, BenchMessage.Type, mandatory: true, properties, body, CancellationToken.None);
        }
        await _done.Task.WaitAsync(cancellationToken);
        return TimeProvider.System.GetElapsedTime(start);
    }

    public async ValueTask DisposeAsync()
    {
        _closing = true;
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
        _window.Dispose();
    }

    private Task Fail(string what)
    {
        _done.TrySetException(new BenchFailedException($"The raw publisher met a {what}."));
        // Whoever waits for room in the window finds the failure there.
        _window.Release();
        return Task.CompletedTask;
    }
}
