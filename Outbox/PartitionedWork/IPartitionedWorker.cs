namespace Outbox.PartitionedWork;

/// <summary>Work that is cut into partitions, each done by one live process at a time: a large table, a stream, a set of customers. Added by <c>services.AddPartitionedWorker&lt;T&gt;(partitions: 32)</c>.</summary>
/// <remarks>
/// One instance, in a scope of its own, for each run of a partition; several run at once in one process. A lease says who is to do what, and is for efficiency: a process that sleeps may go on working for a moment beside the one that has taken over.
/// <see cref="PartitionRun.GuardAsync(System.Data.Common.DbTransaction, CancellationToken)"/> makes what it writes then fail.
/// </remarks>
public interface IPartitionedWorker
{
    /// <summary>Works on one partition until told to stop.</summary>
    /// <param name="run">Which partition, and what guards its writes.</param>
    /// <param name="stoppingToken">Cancelled when the partition goes to another process, or this one stops: finish what is in hand, or roll it back, and return. Only then is the partition handed over. Cancelled too when the lease may have ended.</param>
    /// <remarks>Who returns earlier is called again after a second or two. An error is logged, and the partition is tried again after a pause that grows to ten seconds, here or elsewhere.</remarks>
    Task RunAsync(PartitionRun run, CancellationToken stoppingToken);
}
