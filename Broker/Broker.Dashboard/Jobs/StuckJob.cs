using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Hangfire;
using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Broker.Dashboard.Jobs;

/// <summary>Looks for what does not go on by itself, and tells it once when it begins and once when it is over.</summary>
internal sealed class StuckJob(IDashboardSources sources, Findings findings, JobsSettings settings, TimeProvider time, ILogger<StuckJob> logger)
{
    /// <summary>The recurring job's name.</summary>
    public const string Name = "stuck";

    /// <summary>The kind of a finding that a handler fails again and again.</summary>
    internal const string Deferred = "deferred";

    private const string Lag = "lag", Relay = "relay", Blocked = "blocked", Stray = "stray", Unreachable = "unreachable";

    /// <summary>The kinds of what it finds.</summary>
    internal static readonly IReadOnlyList<string> Kinds = [Lag, Relay, Blocked, Deferred, Stray, Unreachable];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Runs it on all sources.</summary>
    [AutomaticRetry(Attempts = 0)]
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        var current = sources.Current;
        findings.Keep([.. current.Select(s => s.Name)]);
        return string.Join("; ", await Task.WhenAll(current.Select(source => LookAsync(source, cancellationToken))).ConfigureAwait(false));
    }

    private async Task<string> LookAsync(DashboardSource source, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            IReadOnlyList<(string Kind, string What)> found = [];
            // Some drivers wait without asking the token.
            var looked = Task.Run(() => JobLease.RunAsync(source, Name, time, async token => found = await FindAsync(source, token).ConfigureAwait(false), limit.Token), limit.Token);
            if (!await looked.WaitAsync(limit.Token).ConfigureAwait(false))
                return $"{source.Name}: another worker looks";
            findings.Take(source.Name, Kinds, found);
            return $"{source.Name}: {(found.Count == 0 ? "flows" : string.Join(", ", found.Select(f => f.Kind)))}";
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is DbException or OperationCanceledException or Outbox.OutboxConfigurationException)
        {
            var text = exception is DbException ? SqlErrors.TextOf(exception) : exception is OperationCanceledException ? "no answer" : exception.Message;
            findings.Take(source.Name, [Unreachable], [(Unreachable, $"The database cannot be asked: {text}.")]);
            Broker.Dashboard.Log.JobFailed(logger, Name, source.Name, text);
            return $"{source.Name}: {text}";
        }
    }

    private async Task<IReadOnlyList<(string, string)>> FindAsync(DashboardSource source, CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var (partitions, _) = await Repartitioning.ReadAsync(connection, cancellationToken).ConfigureAwait(false);
        await connection.Command(source.Dialect.PrepareSurveyConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        var survey = await SourceSurvey.ReadAsync(connection, partitions, cancellationToken).ConfigureAwait(false);
        var backlog = await OutboxBacklog.ReadAsync(connection, partitions, cancellationToken).ConfigureAwait(false);
        var blocked = await RelayStatus.ReadAsync(connection, cancellationToken).ConfigureAwait(false);
        var relays = await RelaysAsync(connection, cancellationToken).ConfigureAwait(false);
        var found = new List<(string, string)>();
        if (backlog.Lag > settings.StuckAfter)
            found.Add((Lag, string.Create(CultureInfo.InvariantCulture, $"{backlog.Rows:N0} rows wait, the oldest for {backlog.Lag:d\\.hh\\:mm\\:ss}. Read the worker's log, and 'broker status'.")));
        if (relays == 0)
            found.Add((Relay, "No relay is at work on this source. Start a worker with the role relay."));
        if (blocked is [var first, ..])
            found.Add((Blocked, string.Create(CultureInfo.InvariantCulture, $"{blocked.Count:N0} keys or types wait; the most rows, {first.Waiting:N0}, behind '{first.Type}' since {first.Since:u}: {first.Reason}")));
        // By age, not by number: others that come and go hide one that never succeeds.
        if (survey.Deferred.Where(d => d.State == "failed").MaxBy(d => d.Oldest) is { } failed && failed.Oldest > settings.StuckAfter)
            found.Add((Deferred, string.Create(CultureInfo.InvariantCulture, $"A handler of consumer '{failed.Consumer}' fails again and again: {failed.Count:N0} deferred messages, the oldest for {failed.Oldest:d\\.hh\\:mm\\:ss}. 'broker deferred list --source {source.Name}' says why.")));
        if (backlog.Aside.Stray > 0)
            found.Add((Stray, string.Create(CultureInfo.InvariantCulture, $"{backlog.Aside.Stray:N0} rows lie in partitions that nobody reads; their writers count wrongly.")));
        return found;
    }

    private static async Task<long> RelaysAsync(DbConnection connection, CancellationToken cancellationToken) =>
        Convert.ToInt64(await connection.Command(SqlDialect.Of(connection).CountRelays).ScalarAsync(cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture);
}
