using System.Transactions;
using Broker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>Connections that stay open between locks.</summary>
internal sealed class KeptConnectionsTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly FakeTimeProvider _time = new();
    private TestDatabase _database = null!;
    private KeptConnections _kept = null!;

    [SetUp]
    public async Task CreateAsync()
    {
        _database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        _kept = new KeptConnections(_database.DataSource, prepares: true, _time);
    }

    [TearDown]
    public async Task RemoveAsync()
    {
        _kept?.Dispose();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task What_went_well_is_kept_and_what_did_not_is_closed()
    {
        var first = await UseAsync();
        Assert.That(await UseAsync(), Is.EqualTo(first));

        var failed = await _kept.TakeAsync(None);
        Assert.That(async () => await failed.ScalarAsync("SELECT 1 / @zero", [("zero", 0)], None), Throws.Exception);
        await failed.DisposeAsync();

        Assert.That(failed.Connection.State, Is.EqualTo(System.Data.ConnectionState.Closed));
    }

    [Test]
    public async Task Not_more_are_kept_than_are_wanted_and_none_for_long()
    {
        var taken = new List<KeptConnection>();
        for (var i = 0; i < KeptConnections.Most + 2; i++)
            taken.Add(await _kept.TakeAsync(None));
        foreach (var connection in taken)
        {
            connection.Done();
            await connection.DisposeAsync();
        }
        Assert.That(taken.Count(t => t.Connection.State == System.Data.ConnectionState.Open), Is.EqualTo(KeptConnections.Most));

        _time.Advance(KeptConnections.Patience / 2);
        await UseAsync();
        _time.Advance(KeptConnections.Patience / 2);
        Assert.That(taken.Count(t => t.Connection.State == System.Data.ConnectionState.Open), Is.EqualTo(1), "the one that was used meanwhile");

        _time.Advance(KeptConnections.Patience);
        Assert.That(taken.Select(t => t.Connection.State), Is.All.EqualTo(System.Data.ConnectionState.Closed));
    }

    [Test]
    public async Task What_is_given_back_after_the_end_is_closed()
    {
        var connection = await _kept.TakeAsync(None);
        _kept.Dispose();

        connection.Done();
        await connection.DisposeAsync();

        Assert.That(connection.Connection.State, Is.EqualTo(System.Data.ConnectionState.Closed));
    }

    [Test]
    public async Task Behind_a_pooler_that_forgets_what_was_prepared_statements_go_on_unprepared()
    {
        await using var connection = await _kept.TakeAsync(None);
        Assert.That(await connection.ScalarAsync("SELECT @a + 1", [("a", 1)], None), Is.EqualTo(2));
        Assert.That(_kept.Prepares);
        // As if the next statement met another session of the server.
        await connection.Connection.Command("DEALLOCATE ALL").ExecuteAsync(None);

        Assert.That(await connection.ScalarAsync("SELECT @a + 1", [("a", 2)], None), Is.EqualTo(3));
        Assert.That(_kept.Prepares, Is.False);
        Assert.That(await connection.ScalarAsync("SELECT @a + 1", [("a", 3)], None), Is.EqualTo(4));
    }

    [Test]
    public async Task A_lock_that_was_taken_within_an_ambient_transaction_does_not_go_with_it()
    {
        using var locks = new DatabaseLocks(_database.DataSource, SqlDialect.PostgreSql, TimeProvider.System);
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
            Assert.That(await locks.TryAcquireAsync("a", "me", TimeSpan.FromMinutes(1), None), Is.Not.Null);

        Assert.That(await locks.TryAcquireAsync("a", "other", TimeSpan.FromMinutes(1), None), Is.Null, "the transaction was rolled back, and the lock with it");
        using var others = new DatabaseLocks(_database.DataSource, SqlDialect.PostgreSql, TimeProvider.System);
        Assert.That(await others.TryAcquireAsync("a", "other", TimeSpan.FromMinutes(1), None), Is.Null);
    }

    private async Task<object?> UseAsync()
    {
        await using var connection = await _kept.TakeAsync(None);
        var session = await connection.ScalarAsync("SELECT pg_backend_pid()", [], None);
        connection.Done();
        return session;
    }
}
