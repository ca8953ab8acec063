namespace Outbox.Locks;

/// <summary>Where leases are kept: what a holder needs to go on, and to end.</summary>
internal interface ILeaseStore
{
    /// <summary>Extends a lease from now on. False: it is not this holder's any more. It never makes one that is gone.</summary>
    Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken);

    /// <summary>Gives a lease up, if it still is this holder's.</summary>
    Task ReleaseAsync(string name, long token, CancellationToken cancellationToken);

    /// <summary>Whether an error says that the store is away, and nothing about the lease.</summary>
    bool IsOutage(Exception exception);
}
