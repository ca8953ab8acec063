using System.Data.Common;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What looking for a message costs a database.</summary>
internal sealed class MessageLifeReaderTests
{
    [Test]
    public async Task A_database_is_looked_through_by_one_at_a_time_and_the_others_wait_no_longer_than_their_patience()
    {
        var time = new FakeTimeProvider();
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var held = new HeldDataSource(database.DataSource);
        var reader = new MessageLifeReader([new("orders", SqlDialect.Sqlite, held)], time);
        Task<MessageLife> LookAsync() => reader.ReadAsync(Guid.CreateVersion7(), CancellationToken.None);

        var first = LookAsync();
        await held.Asked.WaitAsync(TimeSpan.FromSeconds(60));
        var others = Task.WhenAll(Enumerable.Range(0, 5).Select(_ => LookAsync()));
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.That((await others).Append(await first).Select(life => life.Sources.Single().Trouble), Is.All.EqualTo("no answer"));

        held.LetGo();
        Assert.That((await LookAsync()).Sources.Single().Trouble, Is.Null, "whoever comes after it is answered");
        Assert.That(held.Times, Is.EqualTo(2), "the first and the last");
    }

    /// <summary>Gives no connection until it is let go.</summary>
    private sealed class HeldDataSource(DbDataSource inner) : DbDataSource
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _free = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _times;

        public Task Asked => _asked.Task;

        public int Times => Volatile.Read(ref _times);

        public override string ConnectionString => inner.ConnectionString;

        public void LetGo() => _free.TrySetResult();

        protected override DbConnection CreateDbConnection() => inner.CreateConnection();

        protected override async ValueTask<DbConnection> OpenDbConnectionAsync(CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _times);
            _asked.TrySetResult();
            // As a driver that does not end its wait when it is told to.
            await _free.Task;
            return await inner.OpenConnectionAsync(cancellationToken);
        }
    }
}
