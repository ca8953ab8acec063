using Broker.Relay;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker;

/// <summary>Looks once at everything that can be reached, so that a mistake is told at once and an outage is waited for.</summary>
internal static partial class StartupCheck
{
    /// <summary>A server that has not answered by then is waited for while the relay runs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2.5);

    /// <exception cref="OutboxConfigurationException">A server answers, and what it says will not change by itself.</exception>
    public static async Task RunAsync(IReadOnlyList<RelaySource> sources, ITransport transport, ILogger logger, CancellationToken cancellationToken)
    {
        var checks = sources.Select(source => CheckSourceAsync(source, logger, cancellationToken)).Append(CheckTransportAsync(transport, sources[0].Exchange, logger, cancellationToken));
        await Task.WhenAll(checks);
    }

    private static async Task CheckSourceAsync(RelaySource source, ILogger logger, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await Task.Run(() => BeatConnection.CheckAsync(source, logger, limit.Token), limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception exception) when (SqlErrors.IsAccessDenied(exception))
        {
            throw new OutboxConfigurationException($"Source '{source.Name}': the database refuses the user ({SqlErrors.TextOf(exception)}). Check the user, the password and the user's rights.", exception);
        }
        catch (Exception exception) when (SqlErrors.IsUntrustedServer(exception))
        {
            throw new OutboxConfigurationException($"Source '{source.Name}': the database's certificate is not trusted on this machine. Install the authority that signed it, or for a test server say so in the connection string (SQL Server: TrustServerCertificate=true).", exception);
        }
        catch (Exception exception) when (SqlErrors.IsForeignServer(exception))
        {
            throw new OutboxConfigurationException($"Source '{source.Name}': a server answers at the configured host and port, but it is no {source.Dialect}. Check the port.", exception);
        }
        catch (Exception exception) when (exception is not OutboxConfigurationException && !cancellationToken.IsCancellationRequested)
        {
            SourceAwaited(logger, source.Name, exception is OperationCanceledException ? "no answer yet" : SqlErrors.TextOf(exception));
        }
    }

    private static async Task CheckTransportAsync(ITransport transport, string exchange, ILogger logger, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await using var channel = await transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = exchange }, limit.Token);
        }
        catch (TransportException exception) when (!exception.IsTransient)
        {
            throw new OutboxConfigurationException(exception.Message, exception);
        }
        catch (Exception exception) when (exception is TransportException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            BrokerAwaited(logger, exception is TransportException ? exception.Message : "no answer yet");
        }
    }

    [LoggerMessage(4000, LogLevel.Warning, "Source '{Source}': the database is not there yet; waiting for it. {Error}")]
    private static partial void SourceAwaited(ILogger logger, string source, string error);

    [LoggerMessage(4001, LogLevel.Warning, "RabbitMQ is not there yet; waiting for it. {Error}")]
    private static partial void BrokerAwaited(ILogger logger, string error);
}
