using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Outbox.Locks;
using Outbox.Messages;

namespace Outbox.PartitionedWork;

/// <summary>One run of one partition: which it is, and what guards its writes.</summary>
public sealed class PartitionRun
{
    private readonly IDistributedLock _held;

    internal PartitionRun(int partition, int partitions, IDistributedLock held) => (Partition, Partitions, _held) = (partition, partitions, held);

    /// <summary>Its number, from 0.</summary>
    public int Partition { get; }

    /// <summary>How many there are.</summary>
    public int Partitions { get; }

    /// <summary>The fencing token of this run: higher than those of all runs of this partition before.</summary>
    public long Token => _held.Token;

    /// <summary>Cancelled when another process may have the partition already: nothing has to be finished then, its writes would be refused.</summary>
    public CancellationToken LostToken => _held.LostToken;

    /// <summary>Whether a key belongs to this partition, by the CRC-32 of its UTF-8 bytes, as in the outbox.</summary>
    public bool Owns(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Partitioner.PartitionOf(key, Partitions) == Partition;
    }

    /// <summary>Makes a transaction fail if the partition has a newer run; see <see cref="IDistributedLock.GuardAsync"/>.</summary>
    /// <exception cref="LockLostException">There is a newer run. Roll the transaction back.</exception>
    public Task GuardAsync(DbTransaction transaction, CancellationToken cancellationToken = default) => _held.GuardAsync(transaction, cancellationToken);

    /// <summary>The same for the transaction that a context is in.</summary>
    /// <exception cref="LockLostException">There is a newer run. Roll the transaction back.</exception>
    public Task GuardAsync(DbContext context, CancellationToken cancellationToken = default) => _held.GuardAsync(context, cancellationToken);
}
