using Outbox.Locks;

namespace Broker.Tests.Support;

/// <summary>Where the locks of one test are kept, and a database that they guard.</summary>
internal abstract class LockPlace(TestDatabase guarded) : IAsyncDisposable
{
    /// <summary>What is written to under the guard.</summary>
    public TestDatabase Guarded { get; } = guarded;

    /// <summary>Whether it keeps the locks as well.</summary>
    public virtual bool IsInDatabase => false;

    /// <summary>The locks, as another process would have them.</summary>
    public abstract IDistributedLocks Connect(string owner, TimeSpan lease);

    /// <summary>Removes what says that a lock is held, behind everybody's back.</summary>
    public abstract Task VanishAsync(string name);

    /// <summary>What a process of its own needs to connect: see <c>LockHolder</c>.</summary>
    public abstract Campaigns.LockHolder.Place Address { get; }

    public virtual ValueTask DisposeAsync() => Guarded.DisposeAsync();

    /// <summary>A table to write into, with the token of each write.</summary>
    public async Task CreateWritesAsync() => await Guarded.ExecuteAsync("CREATE TABLE writes (id int NOT NULL PRIMARY KEY, token bigint NOT NULL)");

    /// <summary>The tokens of the writes that were let through, in their order.</summary>
    public async Task<IReadOnlyList<long>> WritesAsync() =>
        [.. (await Guarded.QueryAsync("SELECT token FROM writes ORDER BY id")).Select(r => long.Parse(r[0]!, System.Globalization.CultureInfo.InvariantCulture))];
}
