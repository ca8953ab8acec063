using Microsoft.Extensions.Hosting;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>Runs the recovery of a coordinator again and again, and forgets what is finished.</summary>
internal sealed class RecoveryService(Coordination coordination) : BackgroundService
{
    private static readonly TimeSpan LeaseDuration = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ForgetEvery = TimeSpan.FromHours(1);
    private static readonly TimeSpan MarkersLonger = TimeSpan.FromDays(7);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var recovery = new TransactionRecovery(coordination);
        // One node is enough. A second does no harm: the decision, and the branches themselves, take each step once.
        var leases = coordination.Store is DatabaseDecisionStore ? new DatabaseLeases(coordination.DecisionDatabase.DataSource, coordination.DecisionDatabase.Dialect, coordination.Time) : null;
        Lease? lease = null;
        var said = "";
        var forgotten = coordination.Time.GetTimestamp();
        var looks = false;
        // Not where another node looks: what this one saw before is old.
        using var gauge = OutboxGauges.Add(() => new CoordinatorReading(coordination.Name, Volatile.Read(ref looks) ? recovery.OldestPrepared : null));
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                try
                {
                    if (lease is { LostToken.IsCancellationRequested: true })
                    {
                        await lease.DisposeAsync().ConfigureAwait(false);
                        lease = null;
                    }
                    lease ??= leases is null ? null : await leases.TryAcquireAsync($"two-phase/{coordination.Name}", coordination.Self, LeaseDuration, stoppingToken).ConfigureAwait(false);
                    Volatile.Write(ref looks, leases is null || lease is not null);
                    if (looks)
                        await recovery.RunAsync(stoppingToken).ConfigureAwait(false);
                    said = "";
                    if (coordination.Time.GetElapsedTime(forgotten) > ForgetEvery && looks)
                    {
                        forgotten = coordination.Time.GetTimestamp();
                        await ForgetAsync(stoppingToken).ConfigureAwait(false);
                    }
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // Once, not with every look.
                    if (SqlErrors.TextOf(exception) is var text && text != said)
                        Log.SweepFailed(coordination.Logger, coordination.Name, said = text);
                }
                await Task.Delay(coordination.Options.RecoveryInterval, coordination.Time, stoppingToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (lease is not null)
                await lease.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Markers last: as long as a decision is kept, so is its evidence.</summary>
    private async Task ForgetAsync(CancellationToken cancellationToken)
    {
        await coordination.Store.ForgetAsync(coordination.Options.Retention, cancellationToken).ConfigureAwait(false);
        foreach (var participant in coordination.Participants)
            await new GradualDelete(coordination.Time).RunAsync(participant.DataSource, participant.Dialect.DeleteOldMarkers, coordination.Options.Retention + MarkersLonger, bind: null, cancellationToken).ConfigureAwait(false);
    }
}
