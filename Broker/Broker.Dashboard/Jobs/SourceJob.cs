using System.Globalization;
using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Broker.Dashboard.Jobs;

/// <summary>Runs a job on each source, beside each other. One source that is down fails alone (G7), and fails the run at its end, so that Hangfire's history shows it.</summary>
internal static class SourceJob
{
    /// <summary>Runs it.</summary>
    /// <returns>One line for each source, for the history.</returns>
    /// <exception cref="InvalidOperationException">It failed for a source.</exception>
    public static async Task<string> RunAsync(IEnumerable<DashboardSource> sources, string job, TimeProvider time, ILogger logger, Func<DashboardSource, CancellationToken, Task<string>> runAsync, CancellationToken cancellationToken)
    {
        var failed = 0;
        var lines = await Task.WhenAll(sources.Select(async source =>
        {
            try
            {
                var said = "";
                var held = await JobLease.RunAsync(source, job, time, async token => said = await runAsync(source, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                return $"{source.Name}: {(held ? said : "another worker does it")}";
            }
            catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                var text = exception is System.Data.Common.DbException ? SqlErrors.TextOf(exception) : exception.Message;
                Log.JobFailed(logger, job, source.Name, text);
                Interlocked.Increment(ref failed);
                return $"{source.Name}: failed: {text}";
            }
        })).ConfigureAwait(false);
        var all = string.Join("; ", lines);
        return failed == 0 ? all : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"The job '{job}' failed for {failed} of {lines.Length} source(s). {all}"));
    }
}
