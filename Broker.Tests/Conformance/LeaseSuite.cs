using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>What holders of leases rely on: one holder by the database's clock, and a token that only rises. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class LeaseSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Short = TimeSpan.FromSeconds(30);

    private FakeTimeProvider _time = null!;
    private TestDatabase _database = null!;
    private SwitchableDataSource _dataSource = null!;
    private DatabaseLeases _leases = null!;

    /// <summary>The database of one test. Engines whose settings matter to the contract run the suite with each of them.</summary>
    protected virtual Task<TestDatabase> CreateEmptyDatabaseAsync() => TestDatabase.CreateAsync(dialect, withTables: false);

    [SetUp]
    public async Task Prepare()
    {
        _database = await CreateEmptyDatabaseAsync();
        await _database.CreateTablesAsync();
        _dataSource = new SwitchableDataSource(_database.DataSource);
        _time = new FakeTimeProvider();
        // The holder's clock stands still unless a test moves it; the database's own clock decides about expiry.
        _leases = new DatabaseLeases(_dataSource, dialect, _time);
    }

    [TearDown]
    public async Task Close()
    {
        if (_dataSource is not null)
            await _dataSource.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task A_free_lease_is_given_with_its_first_token()
    {
        await using var lease = await _leases.TryAcquireAsync("a", "me", Long, None);

        Assert.That(lease!.Token, Is.EqualTo(1));
        Assert.That(lease.LostToken.IsCancellationRequested, Is.False);
        Assert.That((await _database.QueryAsync("SELECT name, owner, token FROM leases")).Single(), Is.EqualTo(new[] { "a", "me", "1" }));
    }

    [Test]
    public async Task A_held_lease_is_refused_also_to_its_own_owner()
    {
        await using var lease = await _leases.TryAcquireAsync("a", "me", Long, None);

        Assert.That(await _leases.TryAcquireAsync("a", "you", Long, None), Is.Null);
        Assert.That(await _leases.TryAcquireAsync("a", "me", Long, None), Is.Null);
        await using var other = await _leases.TryAcquireAsync("b", "you", Long, None);
        Assert.That(other, Is.Not.Null, "another lease is free");
    }

    [Test]
    public async Task Of_many_who_ask_at_once_one_gets_it()
    {
        var asked = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() => _leases.TryAcquireAsync("a", $"{i}", Long, None))));

        Assert.That(asked.Count(l => l is not null), Is.EqualTo(1));
        await asked.Single(l => l is not null)!.DisposeAsync();
    }

    [Test]
    public async Task A_released_lease_is_free_at_once_and_its_token_goes_on_rising()
    {
        var tokens = new List<long>();
        for (var i = 0; i < 3; i++)
        {
            await using var lease = await _leases.TryAcquireAsync("a", $"{i}", Long, None);
            tokens.Add(lease!.Token);
        }

        Assert.That(tokens, Is.EqualTo(new[] { 1, 2, 3 }));
        Assert.That(await _database.ScalarAsync<long>("SELECT token FROM leases"), Is.EqualTo(3), "the row stays");
    }

    [Test]
    public async Task An_expired_lease_is_taken_over_with_a_higher_token()
    {
        var lease = (await _leases.TryAcquireAsync("a", "sleeper", TimeSpan.FromMilliseconds(1), None))!;
        await lease.AbandonAsync();

        Lease? thief = null;
        await Eventually.IsTrueAsync(async () => (thief = await _leases.TryAcquireAsync("a", "thief", Long, None)) is not null, "the lease expires by the database's clock");

        Assert.That(thief!.Token, Is.EqualTo(2));
        Assert.That(await _leases.RenewAsync("a", lease.Token, Long, None), Is.False, "the sleeper cannot renew what it lost");
        await _leases.ReleaseAsync("a", lease.Token, None);
        Assert.That(await _leases.TryAcquireAsync("a", "third", Long, None), Is.Null, "the sleeper cannot release what it lost");
        await thief.DisposeAsync();
    }

    [Test]
    public async Task Renewing_keeps_the_token_and_moves_the_expiry_by_the_databases_clock()
    {
        await using var lease = (await _leases.TryAcquireAsync("a", "me", Short, None))!;
        var before = await ExpiryAsync();

        Assert.That(await _leases.RenewAsync("a", lease.Token, TimeSpan.FromHours(1), None));

        Assert.That(await ExpiryAsync() - before, Is.GreaterThan(TimeSpan.FromMinutes(59)));
        Assert.That(await _database.ScalarAsync<long>("SELECT token FROM leases"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_holder_renews_by_itself_for_as_long_as_it_lives()
    {
        await using var lease = (await _leases.TryAcquireAsync("a", "me", Short, None))!;

        // Two whole leases by the holder's clock, a third at a time.
        for (var i = 0; i < 6; i++)
        {
            var before = await ExpiryAsync();
            await AdvanceUntilAsync(async () => await ExpiryAsync() > before, "it renews after a third of the lease");
            Assert.That(lease.LostToken.IsCancellationRequested, Is.False);
        }
    }

    [Test]
    public async Task The_holder_stops_at_its_own_deadline_when_the_database_is_away()
    {
        await using var lease = (await _leases.TryAcquireAsync("a", "me", Short, None))!;
        _ = _dataSource.GoAway();
        var lost = Lost(lease);

        _time.Advance(TimeSpan.FromSeconds(26.9));
        Assert.That(lease.LostToken.IsCancellationRequested, Is.False, "nine tenths of the lease are not over");
        _time.Advance(TimeSpan.FromSeconds(0.2));

        await lost;
        _dataSource.ComeBack();
    }

    [Test]
    public async Task A_short_outage_does_not_cost_the_lease()
    {
        await using var lease = (await _leases.TryAcquireAsync("a", "me", Short, None))!;
        var refused = _dataSource.GoAway();
        await AdvanceUntilAsync(() => Task.FromResult(refused.IsCompleted), "it tries to renew");
        _dataSource.ComeBack();
        var before = await ExpiryAsync();

        await AdvanceUntilAsync(async () => await ExpiryAsync() > before, "it renews at its next try");

        Assert.That(lease.LostToken.IsCancellationRequested, Is.False);
    }

    [Test]
    public async Task A_holder_that_finds_its_lease_stolen_stops_at_once()
    {
        await using var lease = (await _leases.TryAcquireAsync("a", "me", Short, None))!;
        await _database.ExecuteAsync("UPDATE leases SET token = token + 1, owner = 'thief'");
        var lost = Lost(lease);

        await AdvanceUntilAsync(() => Task.FromResult(lost.IsCompleted), "the next renewal finds out");

        Assert.That(_time.GetUtcNow() - _time.Start, Is.LessThan(TimeSpan.FromSeconds(27)), "before the deadline");
        await lease.DisposeAsync();
        Assert.That(await _leases.TryAcquireAsync("a", "third", Long, None), Is.Null, "a lost lease is not released: it is another's");
    }

    /// <summary>Moves the holder's clock in small steps, by more than a third of a lease and by less than would end it: its loop may not be waiting for the clock yet.</summary>
    private async Task AdvanceUntilAsync(Func<Task<bool>> condition, string promise)
    {
        for (var i = 0; i < 8; i++)
        {
            _time.Advance(Short / 15);
            if (await condition())
                return;
            await Task.Delay(10);
        }
        await Eventually.IsTrueAsync(condition, promise);
    }

    private static Task Lost(Lease lease)
    {
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lease.LostToken.Register(() => lost.TrySetResult());
        return lost.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    private async Task<DateTime> ExpiryAsync()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var command = connection.Command("SELECT expires_at FROM leases");
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return reader.GetDateTime(0);
    }

    [Test]
    public async Task A_beat_renews_the_leases_whose_tokens_are_right_and_tells_how_things_stand()
    {
        await using var mine = (await _leases.TryAcquireAsync("relay/0", "me", Short, None, renews: false))!;
        await using var stale = (await _leases.TryAcquireAsync("relay/1", "me", Short, None, renews: false))!;
        await using var other = (await _leases.TryAcquireAsync("relay/2", "other", Short, None, renews: false))!;
        await using var unrelated = (await _leases.TryAcquireAsync("nightly", "other", Short, None, renews: false))!;
        await _database.ExecuteAsync("UPDATE leases SET token = token + 1, owner = 'thief' WHERE name = 'relay/1'");
        await _database.InsertAsync();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await RelayBeat.SendAsync(connection, "other", Long, null, [], [], None);
        (string, long)[] held = [(mine.Name, mine.Token), (stale.Name, stale.Token)];

        var beat = await RelayBeat.SendAsync(connection, "me", Long, "fine", held, [(0, 0), (1, 0)], None);
        var second = await RelayBeat.SendAsync(connection, "me", Long, null, held, [(0, 1_000_000)], None);

        Assert.Multiple(() =>
        {
            Assert.That(beat.Renewed, Is.EqualTo(new[] { (mine.Name, mine.Token) }));
            Assert.That(beat.Leases.Select(l => (l.Name, l.Owner, l.Partition)), Is.EquivalentTo(new[] { ("relay/0", "me", (short?)0), ("relay/1", "thief", (short?)1), ("relay/2", "other", (short?)2) }));
            Assert.That(beat.Others, Is.EqualTo(new[] { "other" }));
            Assert.That(beat.WithRows, Is.EqualTo(new short[] { 0 }));
            Assert.That((beat.Partitions, beat.NextPartitions), Is.EqualTo((1, (int?)null)));
            Assert.That(second.WithRows, Is.Empty);
            Assert.That(second.Leases.Single(l => l.Name == "relay/0").SecondsLeft, Is.InRange(Long.TotalSeconds - 60, Long.TotalSeconds + 1), "extended by the first one");
            Assert.That(second.Leases.Single(l => l.Name == "relay/2").SecondsLeft, Is.InRange(0, Short.TotalSeconds));
        });
    }

    [Test]
    public async Task A_look_tells_what_a_beat_tells_and_writes_nothing()
    {
        await using var mine = (await _leases.TryAcquireAsync("relay/0", "me", Short, None, renews: false))!;
        await _database.InsertAsync();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await RelayBeat.SendAsync(connection, "other", Long, null, [], [], None);
        await RelayBeat.SendAsync(connection, "me", Long, null, [], [], None);
        const string Written = "SELECT max(expires_at) FROM (SELECT expires_at FROM leases UNION ALL SELECT expires_at FROM relays WHERE owner = 'me') AS written";
        var before = await _database.ScalarAsync<object>(Written);

        var look = await RelayBeat.LookAsync(connection, "me", [(0, 0), (1, 0)], None);

        Assert.Multiple(() =>
        {
            Assert.That(look.Renewed, Is.Empty);
            Assert.That(look.Leases.Select(l => (l.Name, l.Owner, l.Token)), Is.EqualTo(new[] { ("relay/0", "me", mine.Token) }));
            Assert.That(look.Others, Is.EqualTo(new[] { "other" }));
            Assert.That(look.WithRows, Is.EqualTo(new short[] { 0 }));
            Assert.That((look.Partitions, look.NextPartitions), Is.EqualTo((1, (int?)null)));
        });
        Assert.That(await _database.ScalarAsync<object>(Written), Is.EqualTo(before));
    }

    [Test]
    public async Task A_beat_that_comes_after_the_release_does_not_bring_the_lease_back()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        var lease = (await _leases.TryAcquireAsync("relay/0", "me", Short, None, renews: false))!;
        await lease.DisposeAsync();

        var beat = await RelayBeat.SendAsync(connection, "me", Long, null, [(lease.Name, lease.Token)], [], None);

        Assert.That(beat.Renewed, Is.Empty);
        await using var next = await _leases.TryAcquireAsync("relay/0", "next", Short, None, renews: false);
        Assert.That(next?.Token, Is.EqualTo(lease.Token + 1), "the next one has to wait");
    }

    [Test]
    public async Task A_relay_that_leaves_is_not_listed_any_more_and_its_released_lease_is_free()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using (await _leases.TryAcquireAsync("relay/0", "leaver", Long, None, renews: false))
            await RelayBeat.SendAsync(connection, "leaver", Long, null, [], [], None);
        Assert.That((await RelayBeat.SendAsync(connection, "me", Long, null, [], [], None)).Others, Is.EqualTo(new[] { "leaver" }));

        await connection.Command(dialect.RemoveRelay).With("owner", "leaver").ExecuteAsync(None);

        var beat = await RelayBeat.SendAsync(connection, "me", Long, null, [], [], None);
        Assert.That(beat.Others, Is.Empty);
        Assert.That(beat.Leases.Single().SecondsLeft, Is.LessThanOrEqualTo(0));
    }
}
