using Microsoft.Extensions.Logging;

namespace Broker.Dashboard;

/// <summary>What the dashboard and its jobs log: 5000 the dashboard, 5100 jobs.</summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Warning, "The dashboard is refused to everyone: nobody is configured who may see it. Set Broker:Dashboard:Users or Broker:Dashboard:Oidc; see docs/security.md.")]
    public static partial void NobodyMayComeIn(ILogger logger);

    [LoggerMessage(5001, LogLevel.Warning, "A log-in to the dashboard from {Address} was refused: {Reason}.")]
    public static partial void LogInRefused(ILogger logger, string address, string reason);

    [LoggerMessage(5002, LogLevel.Warning, "Jobs, their history and what they found are kept in memory, and gone with this process: Broker:Jobs:Storage names no database. Workers beside this one know nothing of them.")]
    public static partial void StorageInMemory(ILogger logger);

    [LoggerMessage(5003, LogLevel.Error, "Source '{Source}': how it stands cannot be read. The dashboard shows it as unknown and asks on.")]
    public static partial void SurveyFailed(ILogger logger, Exception exception, string source);

    [LoggerMessage(5100, LogLevel.Error, "Source '{Source}' is stuck ({Kind}): {What}")]
    public static partial void Stuck(ILogger logger, string source, string kind, string what);

    [LoggerMessage(5101, LogLevel.Information, "Source '{Source}' is stuck no longer ({Kind}); it was for {Time}.")]
    public static partial void Unstuck(ILogger logger, string source, string kind, TimeSpan time);

    [LoggerMessage(5102, LogLevel.Warning, "The job '{Job}' failed for source '{Source}': {Error}. It runs again at its next time.")]
    public static partial void JobFailed(ILogger logger, string job, string source, string error);

    [LoggerMessage(5103, LogLevel.Information, "Source '{Source}': the rule '{Rule}' has redriven {Count} dead letters.")]
    public static partial void Redriven(ILogger logger, string source, string rule, int count);
}
