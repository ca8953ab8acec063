using Broker.Dashboard.Jobs;
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

    [LoggerMessage(5004, LogLevel.Warning, "The storage of the jobs ({Kind}) cannot be used now: {Error}. Jobs and the dashboard wait for it and it is tried again; relays go on.")]
    public static partial void StorageAway(ILogger logger, JobStorageKind kind, string error);

    [LoggerMessage(5005, LogLevel.Error, "The storage of the jobs ({Kind}) refuses: {Error}. Check Broker:Jobs:ConnectionString and the user's rights. Jobs and the dashboard wait for it and it is tried again; relays go on.")]
    public static partial void StorageRefuses(ILogger logger, JobStorageKind kind, string error);

    [LoggerMessage(5006, LogLevel.Information, "The storage of the jobs ({Kind}) answers; jobs and the dashboard go on.")]
    public static partial void StorageReached(ILogger logger, JobStorageKind kind);

    [LoggerMessage(5100, LogLevel.Error, "Source '{Source}' is stuck ({Kind}): {What}")]
    public static partial void Stuck(ILogger logger, string source, string kind, string what);

    [LoggerMessage(5101, LogLevel.Information, "Source '{Source}' is stuck no longer ({Kind}); it was for {Time}.")]
    public static partial void Unstuck(ILogger logger, string source, string kind, TimeSpan time);

    [LoggerMessage(5102, LogLevel.Warning, "The job '{Job}' failed for source '{Source}': {Error}. It runs again at its next time.")]
    public static partial void JobFailed(ILogger logger, string job, string source, string error);

    [LoggerMessage(5103, LogLevel.Information, "Source '{Source}': the rule '{Rule}' has redriven {Count} dead letters.")]
    public static partial void Redriven(ILogger logger, string source, string rule, int count);

    [LoggerMessage(5104, LogLevel.Warning, "The jobs that recur cannot be written to their storage, so no job runs here yet; it is tried again. {Error}")]
    public static partial void JobsWait(ILogger logger, string error);
}
