using Microsoft.Extensions.Logging;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>One connection, made when first asked for and again after it was lost. Thread-safe.</summary>
/// <remarks>The client library's own recovery is off: it would revive channels whose unconfirmed messages have an unknown fate. Channels are opened anew by those who use them.</remarks>
internal sealed class RabbitMqConnection : IAsyncDisposable
{
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(2);

    private readonly IConnectionFactory _factory;
    private readonly string _purpose;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _connecting = new(1);
    private Open? _open;
    private bool _disposed;
    private TransportStanding _standing = TransportStanding.Unused;

    /// <summary>How the connection stands, as far as is known without asking.</summary>
    public TransportStanding Standing => Volatile.Read(ref _standing);

    public RabbitMqConnection(RabbitMqOptions options, string purpose, ILogger logger) : this(CreateFactory(options, purpose), purpose, logger)
    {
    }

    internal RabbitMqConnection(IConnectionFactory factory, string purpose, ILogger logger) => (_factory, _purpose, _logger) = (factory, purpose, logger);

    internal static ConnectionFactory CreateFactory(RabbitMqOptions options, string purpose) => new()
    {
        Uri = options.Uri!,
        EndpointResolverFactory = _ => RabbitMqHosts.Of(options),
        AutomaticRecoveryEnabled = false,
        TopologyRecoveryEnabled = false,
        RequestedConnectionTimeout = options.ConnectTimeout,
        HandshakeContinuationTimeout = options.ConnectTimeout,
        RequestedHeartbeat = options.Heartbeat,
        // A body that the broker carries must not cut the connection of its reader.
        MaxInboundMessageBodySize = 512 * 1024 * 1024,
        ClientProvidedName = $"{options.ClientName} ({purpose})",
        SocketFactory = GatheringClient.Create,
    };

    /// <summary>An open connection, with the state of its flow control.</summary>
    internal sealed class Open(IConnection connection)
    {
        private TaskCompletionSource? _unblocked;

        public IConnection Connection => connection;

        /// <summary>The consumers whose partitioned queues were declared on this connection: one subscription does it for all. Guarded by itself.</summary>
        public SemaphoreSlim Declaring { get; } = new(1);

        /// <summary>See <see cref="Declaring"/>.</summary>
        public HashSet<string> Declared { get; } = new(StringComparer.Ordinal);

        /// <summary>Completes when the broker takes messages again; null while it does.</summary>
        public Task? Unblocked => Volatile.Read(ref _unblocked)?.Task;

        /// <summary>RabbitMQ's version, for what only some versions can do.</summary>
        public Version Version { get; } = ReadVersion(connection);

        public void Block() => Interlocked.CompareExchange(ref _unblocked, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), null);

        public void Unblock() => Interlocked.Exchange(ref _unblocked, null)?.TrySetResult();

        private static Version ReadVersion(IConnection connection) =>
            connection.ServerProperties is { } properties && properties.TryGetValue("version", out var value) && value is byte[] bytes
            && System.Version.TryParse(System.Text.Encoding.ASCII.GetString(bytes).Split('-', '+')[0], out var version)
                ? version
                : new Version(0, 0);
    }

    public async Task<Open> GetAsync(CancellationToken cancellationToken)
    {
        if (_open is { Connection.IsOpen: true } open)
            return open;
        await _connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_open is { Connection.IsOpen: true } other)
                return other;
            if (_open is { } lost)
                await lost.Connection.DisposeAsync().ConfigureAwait(false);
            return _open = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _connecting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _connecting.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_disposed)
                return;
            _disposed = true;
            // To a broker that has stopped reading the library says goodbye for half a minute, whatever limit it is given. That goes on behind us.
            if (_open is { } open)
                await Task.WhenAny(CloseAsync(open.Connection), Task.Delay(LongestGoodbye)).ConfigureAwait(false);
        }
        finally
        {
            _connecting.Release();
        }
    }

    private static async Task CloseAsync(IConnection connection)
    {
        try
        {
            if (connection.IsOpen)
                await connection.CloseAsync(200, "Goodbye", LongestGoodbye, abort: true).ConfigureAwait(false);
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception) || exception is OperationCanceledException)
        {
            // It was lost already.
        }
    }

    private async Task<Open> ConnectAsync(CancellationToken cancellationToken)
    {
        IConnection connection;
        try
        {
            connection = await _factory.CreateConnectionAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception))
        {
            Volatile.Write(ref _standing, new TransportStanding(TransportCondition.Away, exception.GetBaseException().Message));
            throw;
        }
        var open = new Open(connection);
        Volatile.Write(ref _standing, TransportStanding.Connected);
        connection.ConnectionBlockedAsync += (_, blocked) =>
        {
            Log.Blocked(_logger, _purpose, blocked.Reason);
            open.Block();
            Volatile.Write(ref _standing, new TransportStanding(TransportCondition.Blocked, blocked.Reason));
            return Task.CompletedTask;
        };
        connection.ConnectionUnblockedAsync += (_, _) =>
        {
            Log.Unblocked(_logger, _purpose);
            open.Unblock();
            Volatile.Write(ref _standing, TransportStanding.Connected);
            return Task.CompletedTask;
        };
        connection.ConnectionShutdownAsync += (_, shutdown) =>
        {
            if (shutdown.Initiator != ShutdownInitiator.Application)
                Log.Disconnected(_logger, _purpose, shutdown.ReplyText);
            Volatile.Write(ref _standing, new TransportStanding(TransportCondition.Away, shutdown.ReplyText));
            open.Unblock();
            return Task.CompletedTask;
        };
        Log.Connected(_logger, _purpose, connection.Endpoint.HostName, connection.Endpoint.Port, open.Version.ToString());
        return open;
    }
}
