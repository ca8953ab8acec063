using Microsoft.Extensions.Logging;

namespace Broker.Dashboard;

/// <summary>What the dashboard and its jobs log: 5000 the dashboard, 5100 jobs.</summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Warning, "The dashboard is refused to everyone: nobody is configured who may see it. Set Broker:Dashboard:Users or Broker:Dashboard:Oidc; see docs/security.md.")]
    public static partial void NobodyMayComeIn(ILogger logger);

    [LoggerMessage(5001, LogLevel.Warning, "A log-in to the dashboard from {Address} was refused: {Reason}.")]
    public static partial void LogInRefused(ILogger logger, string address, string reason);
}
