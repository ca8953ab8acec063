using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>What keeps the relay of a source from its work, told to people.</summary>
internal static class SourceTrouble
{
    /// <summary>Says what happened in words for people.</summary>
    public static void Report(ILogger logger, RelaySource source, int partition, Exception exception, TimeSpan delay)
    {
        var reason = exception is OutboxConfigurationException or TransportException ? exception.Message : SqlErrors.TextOf(exception);
        // What the broker does is told by the transport. A drainer's failure outlives the next beat, which may well succeed.
        if (exception is not TransportException)
        {
            if (partition >= 0)
                source.State.FailDrain(partition, reason);
            else
                source.State.Fail(reason);
        }
        OutboxMetrics.Errors.Add(1, source.State.Source, new(OutboxMetrics.ErrorType, KindOf(exception)));
        switch (exception)
        {
            case OutboxConfigurationException:
                Log.Misconfigured(logger, exception.Message, delay.TotalSeconds);
                break;
            case TransportException:
                Log.ChannelFailed(logger, source.Name, reason);
                break;
            case var _ when IsOfDatabase(exception):
                Log.DatabaseFailed(logger, source.Name, reason, delay.TotalSeconds);
                break;
            default:
                // Not foreseen, so with its stack: a person has to look. The relay of this source goes on; the others never noticed.
                Log.Unexpected(logger, exception, source.Name, partition, delay.TotalSeconds);
                break;
        }
    }

    private static bool IsOfDatabase(Exception exception) => SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception);

    private static string KindOf(Exception exception) => exception switch
    {
        OutboxConfigurationException => "configuration",
        TransportException => "broker",
        _ => IsOfDatabase(exception) ? "database" : "unexpected",
    };
}
