using System.Globalization;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Broker.Campaigns;

/// <summary>A consumer that writes down everything that arrives on a quorum queue, in order. It is made of the client library alone, and finds its way back to a broker that was gone.</summary>
internal sealed class DeliveryLog : IAsyncDisposable
{
    private const ushort Prefetch = 1_000;
    private static readonly TimeSpan AckInterval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(200);

    private readonly ConnectionFactory _factory;
    private readonly string _hosts;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly List<Arrival> _arrivals = [];
    private readonly HashSet<Guid> _ids = [];
    private readonly Task _running;

    private DeliveryLog(Uri uri, string? hosts, string name)
    {
        Name = name;
        _factory = new ConnectionFactory { Uri = uri, AutomaticRecoveryEnabled = false, RequestedHeartbeat = TimeSpan.FromSeconds(2), RequestedConnectionTimeout = TimeSpan.FromSeconds(3), ClientProvidedName = name };
        _hosts = hosts ?? $"{uri.Host}:{(uri.Port > 0 ? uri.Port : 5672)}";
        _running = Task.Run(RunAsync);
    }

    /// <summary>The name of queue and exchange.</summary>
    public string Name { get; }

    /// <summary>How many different messages have arrived.</summary>
    public int Distinct
    {
        get
        {
            lock (_lock)
                return _ids.Count;
        }
    }

    /// <summary>Everything that arrived so far, in order, copies included.</summary>
    public IReadOnlyList<Arrival> Arrivals
    {
        get
        {
            lock (_lock)
                return [.. _arrivals];
        }
    }

    /// <summary>Declares exchange and queue, and begins to read.</summary>
    /// <param name="uri">The broker.</param>
    /// <param name="hosts">Its nodes, <c>host:port,host:port</c>; null for the URI's own.</param>
    public static async Task<DeliveryLog> StartAsync(Uri uri, string? hosts = null)
    {
        var log = new DeliveryLog(uri, hosts, $"campaign-{Guid.CreateVersion7():N}");
        await log._started.Task.WaitAsync(TimeSpan.FromSeconds(60));
        return log;
    }

    /// <summary>Waits until so many different messages have arrived; false when they do not.</summary>
    public async Task<bool> ReachAsync(long distinct, TimeSpan within)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (Distinct < distinct)
        {
            if (TimeProvider.System.GetElapsedTime(began) > within)
                return false;
            await Task.Delay(20);
        }
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        try
        {
            await using var connection = await ConnectAsync(CancellationToken.None);
            await using var channel = await connection.CreateChannelAsync();
            await channel.QueueDeleteAsync(Name);
            await channel.ExchangeDeleteAsync(Name);
        }
        catch (RabbitMQClientException)
        {
            // A broker that is gone keeps nothing to remove.
        }
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await ReadAsync();
            }
            catch (Exception exception) when (exception is RabbitMQClientException or OperationCanceledException or TimeoutException or IOException or ObjectDisposedException)
            {
                await Task.Delay(Retry, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private Task<IConnection> ConnectAsync(CancellationToken cancellationToken) => _factory.CreateConnectionAsync(AmqpTcpEndpoint.ParseMultiple(_hosts), cancellationToken);

    private async Task ReadAsync()
    {
        await using var connection = await ConnectAsync(_stop.Token);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: _stop.Token);
        await channel.ExchangeDeclareAsync(Name, ExchangeType.Topic, durable: true, cancellationToken: _stop.Token);
        // Single active consumer: what a dead connection took along comes back before anything later. Otherwise the queue may hand out later messages to the next connection first, and the relay would be blamed.
        var arguments = new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-single-active-consumer"] = true };
        await channel.QueueDeclareAsync(Name, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: _stop.Token);
        await channel.QueueBindAsync(Name, Name, "#", cancellationToken: _stop.Token);
        await channel.BasicQosAsync(0, Prefetch, global: false, _stop.Token);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ulong last = 0;
        ulong acked = 0;
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            Take(delivery);
            Volatile.Write(ref last, delivery.DeliveryTag);
            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) => Ended();
        consumer.ShutdownAsync += (_, _) => Ended();
        connection.ConnectionShutdownAsync += (_, _) => Ended();
        Task Ended()
        {
            ended.TrySetResult();
            return Task.CompletedTask;
        }
        await channel.BasicConsumeAsync(Name, autoAck: false, consumer, _stop.Token);
        _started.TrySetResult();
        while (!ended.Task.IsCompleted)
        {
            await Task.WhenAny(ended.Task, Task.Delay(AckInterval, _stop.Token));
            if (Volatile.Read(ref last) is var tag && tag > acked)
                await channel.BasicAckAsync(acked = tag, multiple: true);
            _stop.Token.ThrowIfCancellationRequested();
        }
    }

    private void Take(BasicDeliverEventArgs delivery)
    {
        var at = TimeProvider.System.GetTimestamp();
        var key = delivery.BasicProperties.Headers?.TryGetValue("cloudEvents:partitionkey", out var value) == true && value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : null;
        var version = long.Parse(Encoding.UTF8.GetString(delivery.Body.Span).Trim(), CultureInfo.InvariantCulture);
        var id = Guid.Parse(delivery.BasicProperties.MessageId!);
        lock (_lock)
        {
            _arrivals.Add(new Arrival(id, key, version, at, delivery.Redelivered));
            _ids.Add(id);
        }
    }
}
