using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>What keeps the relay of a source from its work, told to people.</summary>
internal static class SourceTrouble
{
    /// <summary>Says what happened in words for people.</summary>
    public static void Report(ILogger logger, string source, int partition, Exception exception, TimeSpan delay)
    {
        switch (exception)
        {
            case OutboxConfigurationException:
                Log.Misconfigured(logger, exception.Message, delay.TotalSeconds);
                break;
            case TransportException:
                Log.ChannelFailed(logger, source, exception.Message);
                break;
            case var _ when SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception):
                Log.DatabaseFailed(logger, source, SqlErrors.TextOf(exception), delay.TotalSeconds);
                break;
            default:
                // Not foreseen, so with its stack: a person has to look. The relay of this source goes on; the others never noticed.
                Log.Unexpected(logger, exception, source, partition, delay.TotalSeconds);
                break;
        }
    }
}
