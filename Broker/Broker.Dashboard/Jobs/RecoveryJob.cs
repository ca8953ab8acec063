using System.Globalization;
using Hangfire;
using Microsoft.Extensions.Logging;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Dashboard.Jobs;

/// <summary>Finishes what the coordinators of services have left prepared, should no process of theirs be there to do it.</summary>
internal sealed class RecoveryJob(IDashboardCoordinators coordinators, ILogger<RecoveryJob> logger)
{
    /// <summary>The recurring job's name.</summary>
    public const string Name = "in-doubt";

    /// <summary>Runs it for all coordinators.</summary>
    [AutomaticRetry(Attempts = 0)]
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        var failed = 0;
        var lines = await Task.WhenAll(coordinators.Current.Select(async coordination =>
        {
            try
            {
                var report = await new TransactionRecovery(coordination).RunAsync(cancellationToken).ConfigureAwait(false);
                return string.Create(CultureInfo.InvariantCulture, $"{coordination.Name}: {report.Finished:N0} branches finished, {report.Settled:N0} transactions settled, {report.Waiting:N0} branches wait, {report.Lost.Count:N0} wait for an operator")
                    + (report.Unreachable.Count == 0 ? "" : $"; no answer from {string.Join(", ", report.Unreachable)}");
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                var text = SqlErrors.TextOf(exception);
                Log.JobFailed(logger, Name, coordination.Name, text);
                Interlocked.Increment(ref failed);
                return $"{coordination.Name}: failed: {text}";
            }
        })).ConfigureAwait(false);
        var all = string.Join("; ", lines);
        return failed == 0 ? all : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"The job '{Name}' failed for {failed} of {lines.Length} coordinator(s). {all}"));
    }
}
