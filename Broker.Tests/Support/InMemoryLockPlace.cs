using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>Locks in this process.</summary>
internal sealed class InMemoryLockPlace(TestDatabase guarded) : LockPlace(guarded)
{
    private readonly InMemoryLockStore _store = new(TimeProvider.System);

    public static async Task<LockPlace> CreateAsync() => new InMemoryLockPlace(await TestDatabase.CreateAsync(SqlDialect.Sqlite));

    public override IDistributedLocks Connect(string owner, TimeSpan lease) => new LeasedLocks(_store, new LockOptions { Owner = owner, Lease = lease }, TimeProvider.System);

    public override Task VanishAsync(string name)
    {
        _store.Forget(name);
        return Task.CompletedTask;
    }

    public override Campaigns.LockHolder.Place Address => throw new NotSupportedException("It is in this process alone.");
}
