using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>Locks in the database that they guard.</summary>
internal sealed class DatabaseLockPlace(TestDatabase database) : LockPlace(database)
{
    public static Func<Task<LockPlace>> On(SqlDialect dialect) => async () => new DatabaseLockPlace(await TestDatabase.CreateAsync(dialect));

    public override bool IsInDatabase => true;

    public override IDistributedLocks Connect(string owner, TimeSpan lease) =>
        new LeasedLocks(new DatabaseLocks(Guarded.DataSource, Guarded.Dialect, TimeProvider.System), new LockOptions { Owner = owner, Lease = lease }, TimeProvider.System);

    public override async Task VanishAsync(string name) => await Guarded.ExecuteAsync("DELETE FROM leases WHERE name = @name", ("name", "lock/" + name));

    public override Campaigns.LockHolder.Place Address => new("database", "", "", Guarded.Dialect.Name, Guarded.ConnectionString);
}
