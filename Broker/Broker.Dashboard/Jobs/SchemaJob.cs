using Hangfire;
using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Broker.Dashboard.Jobs;

/// <summary>Looks whether the tables are still those that this version expects.</summary>
internal sealed class SchemaJob(IDashboardSources sources, Findings findings, TimeProvider time, ILogger<SchemaJob> logger)
{
    /// <summary>The recurring job's name, and the kind of its findings.</summary>
    public const string Name = "schema";

    /// <summary>Runs it on all sources.</summary>
    [AutomaticRetry(Attempts = 0)]
    public Task<string> RunAsync(CancellationToken cancellationToken) => SourceJob.RunAsync(sources.Current, Name, time, logger, RunAsync, cancellationToken);

    private async Task<string> RunAsync(DashboardSource source, CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var differences = await OutboxSchema.CompareAsync(connection, cancellationToken).ConfigureAwait(false);
        findings.Take(source.Name, [Name], differences.Count == 0 ? [] : [(Name, $"The tables differ from what this version expects: {string.Join("; ", differences)}. Compare with 'broker schema --source {source.Name} --check', and mend them with '--create'.")]);
        return differences.Count == 0 ? "as expected" : string.Join("; ", differences);
    }
}
