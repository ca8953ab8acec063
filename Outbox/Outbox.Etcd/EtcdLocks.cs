using Outbox.Locks;

namespace Outbox.Etcd;

/// <summary>Locks in etcd: a majority of its nodes decides who holds what, and the loss of a minority changes nothing. etcd itself cannot protect what is outside of it: that is for <see cref="IDistributedLock.GuardAsync"/>.</summary>
public sealed class EtcdLocks : IDistributedLocks, IAsyncDisposable
{
    private readonly EtcdCluster _cluster;
    private readonly LeasedLocks _locks;

    /// <summary>Connects when first asked.</summary>
    /// <param name="endpoints">The nodes: <c>https://etcd-1:2379</c>. Name all of them, so that each may be away.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <param name="time">The clock for waiting and renewing; null for the system's.</param>
    /// <exception cref="OutboxConfigurationException">An endpoint or a setting is wrong; the message says which.</exception>
    public EtcdLocks(IEnumerable<string> endpoints, EtcdLockOptions? options = null, TimeProvider? time = null)
    {
        options ??= new EtcdLockOptions();
        _cluster = new EtcdCluster(endpoints, options.ConfigureHandler, time ?? TimeProvider.System);
        _locks = new LeasedLocks(new EtcdLockStore(_cluster, options.KeyPrefix, time ?? TimeProvider.System), options, time ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    public Task<IDistributedLock?> TryAcquireAsync(string name, TimeSpan wait, CancellationToken cancellationToken = default) => _locks.TryAcquireAsync(name, wait, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken = default) => _locks.ListAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken = default) => _locks.StealAsync(name, thief, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _cluster.Dispose();
        return ValueTask.CompletedTask;
    }
}
