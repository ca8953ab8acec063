using Outbox.Locks;

namespace Broker.Dashboard.Jobs;

/// <summary>Lets one worker at a time do a job on a source, whatever storage each of them has for Hangfire: the lease is in the source's own database.</summary>
internal static class JobLease
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(30);

    /// <summary>Runs a job under its lease. Returns false if another worker does it at this moment.</summary>
    public static async Task<bool> RunAsync(DashboardSource source, string job, TimeProvider time, Func<CancellationToken, Task> runAsync, CancellationToken cancellationToken)
    {
        var owner = $"{Environment.MachineName}/{Environment.ProcessId}";
        var lease = await new DatabaseLeases(source.DataSource, source.Dialect, time).TryAcquireAsync($"job/{job}", owner, Duration, cancellationToken).ConfigureAwait(false);
        if (lease is null)
            return false;
        await using var _ = lease.ConfigureAwait(false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.LostToken);
        await runAsync(stop.Token).ConfigureAwait(false);
        return true;
    }
}
