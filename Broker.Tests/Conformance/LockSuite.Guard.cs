using System.Data.Common;
using Broker.Tests.Support;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <content>What makes a stale holder harmless.</content>
internal abstract partial class LockSuite
{
    private int _write;

    [Test]
    public async Task The_holders_guarded_writes_are_let_through()
    {
        await _place.CreateWritesAsync();
        await using var held = await _mine.AcquireAsync("a", None);

        for (var i = 0; i < 3; i++)
            await WriteAsync(held);

        Assert.That(await _place.WritesAsync(), Is.EqualTo(new[] { held.Token, held.Token, held.Token }));
    }

    [Test]
    public async Task A_stale_holders_guarded_write_is_refused_and_the_error_names_the_lock_and_its_token()
    {
        await _place.CreateWritesAsync();
        await using var stale = await _mine.AcquireAsync("settlement", None);
        await WriteAsync(stale);
        await _theirs.StealAsync("settlement", "the operator", None);
        await using var next = await _theirs.AcquireAsync("settlement", None);
        await WriteAsync(next);

        Assert.That(async () => await WriteAsync(stale), Throws.InstanceOf<LockLostException>()
            .With.Property("Name").EqualTo("settlement").And.Property("Token").EqualTo(stale.Token).And.Message.Contains($"{next.Token}"));

        await WriteAsync(next);
        Assert.That(await _place.WritesAsync(), Is.EqualTo(new[] { stale.Token, next.Token, next.Token }));
    }

    [Test]
    public async Task Where_the_lock_is_kept_beside_the_data_a_stale_holder_is_refused_at_once()
    {
        if (!_place.IsInDatabase)
            Assert.Ignore("Elsewhere the newer holder's first guarded write raises the fence.");
        await _place.CreateWritesAsync();
        await using var robbed = await _mine.AcquireAsync("a", None);
        await _theirs.StealAsync("a", "the operator", None);

        Assert.That(async () => await WriteAsync(robbed), Throws.InstanceOf<LockLostException>());

        await using var stale = await _mine.AcquireAsync("b", None);
        await _place.VanishAsync("b");
        await using var next = await _theirs.AcquireAsync("b", None);
        Assert.That(next.Token, Is.GreaterThan(stale.Token));
        Assert.That(async () => await WriteAsync(stale), Throws.InstanceOf<LockLostException>());
        Assert.That(await _place.WritesAsync(), Is.Empty);
    }

    [Test]
    public async Task A_lock_guards_writes_in_another_database_too()
    {
        await using var other = new DatabaseLockPlace(await TestDatabase.CreateAsync(SqlDialect.Sqlite));
        await other.CreateWritesAsync();
        await using var stale = await _mine.AcquireAsync("a", None);
        await WriteAsync(stale, other);
        await _theirs.StealAsync("a", "the operator", None);
        await using var next = await _theirs.AcquireAsync("a", None);
        await WriteAsync(next, other);

        Assert.That(async () => await WriteAsync(stale, other), Throws.InstanceOf<LockLostException>());

        Assert.That(await other.WritesAsync(), Is.EqualTo(new[] { stale.Token, next.Token }));
    }

    [Test]
    public async Task A_rolled_back_guard_leaves_nothing_behind()
    {
        await _place.CreateWritesAsync();
        await using var held = await _mine.AcquireAsync("a", None);
        await using (var connection = await _place.Guarded.DataSource.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await held.GuardAsync(transaction, None);
            await transaction.RollbackAsync();
        }

        await WriteAsync(held);

        Assert.That(await _place.WritesAsync(), Is.EqualTo(new[] { held.Token }));
    }

    [Test]
    public async Task A_released_lock_guards_nothing()
    {
        var held = await _mine.AcquireAsync("a", None);
        await held.DisposeAsync();

        Assert.That(async () => await WriteAsync(held), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task A_newer_holder_begins_only_after_a_guarded_transaction_has_ended_which_does_not_hold_up_its_own_holders_renewal()
    {
        if (!_place.IsInDatabase || _place.Guarded.Dialect == SqlDialect.Sqlite)
            Assert.Ignore("Only where the lock is kept beside the data, and where more than one may write at a time.");
        var lease = Short;
        await using var held = await _place.Connect("short", lease).AcquireAsync("a", None);
        await using var connection = await _place.Guarded.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await held.GuardAsync(transaction, None);
        // Two renewals while the transaction is open.
        for (var i = 0; i < 2; i++)
        {
            var before = (await _mine.ListAsync(None)).Single().ExpiresIn;
            await Eventually.IsTrueAsync(async () => (await _mine.ListAsync(None)).Single() is var now && (now.ExpiresIn > before + TimeSpan.FromMilliseconds(100) || ((before = now.ExpiresIn) < TimeSpan.Zero)), "it is renewed");
        }
        Assert.That(held.LostToken.IsCancellationRequested, Is.False);

        // It ends by the clock of the database, as for a holder that sleeps.
        await _place.Guarded.ExecuteAsync(_place.Guarded.Dialect.ReleaseLease, ("name", "lock/a"), ("token", held.Token));
        var thief = _theirs.AcquireAsync("a", None);
        await Eventually.IsTrueAsync(async () => await _place.Guarded.WaitingSessionsAsync() > 0, "the thief waits for the transaction");
        Assert.That(thief.IsCompleted, Is.False);
        await transaction.CommitAsync();

        await using var next = await thief.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(next.Token, Is.GreaterThan(held.Token));
    }

    [Test]
    public async Task Tokens_of_writes_that_were_let_through_never_fall_whoever_is_robbed_when()
    {
        await _place.CreateWritesAsync();
        var random = new Random(7);
        const int robberies = 3;
        var (refused, robbed) = (0, 0);
        using var stop = new CancellationTokenSource();
        var robber = Task.Run(async () =>
        {
            // One robbery for each write at most: where commits are slow, a robber that never rests would let nobody write.
            for (var seen = 0; !stop.IsCancellationRequested; await Task.Delay(random.Next(1, 25), None))
            {
                if (Volatile.Read(ref _write) is var now && now == seen)
                    continue;
                seen = now;
                try
                {
                    if (await _theirs.StealAsync("a", "the robber", None))
                        Interlocked.Increment(ref robbed);
                }
                catch (DbException exception) when (SqlErrors.IsTransient(exception))
                {
                    // It met the others.
                }
            }
        });
        try
        {
            await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(async () =>
            {
                for (var written = 0; GoesOn(written);)
                {
                    await using var held = await (i % 2 == 0 ? _mine : _theirs).AcquireAsync("a", None);
                    try
                    {
                        for (; GoesOn(written); written++)
                            await WriteAsync(held);
                    }
                    catch (LockLostException)
                    {
                        Interlocked.Increment(ref refused);
                    }
                    catch (DbException exception) when (SqlErrors.IsTransient(exception) || SqlErrors.IsDuplicateKey(exception))
                    {
                        // Two of the writers met; the one that lost tries again.
                    }
                }
            }))).WaitAsync(TimeSpan.FromMinutes(2));
        }
        finally
        {
            await stop.CancelAsync();
        }
        await robber;

        var tokens = await _place.WritesAsync();
        Assert.That(tokens, Has.Count.AtLeast(32).And.Ordered);
        await TestContext.Out.WriteLineAsync($"{robbed} were robbed, {tokens.Distinct().Count()} holders wrote, {refused} were refused");

        // Where writes are fast, all could be done before anybody is robbed.
        bool GoesOn(int written) => written < 8 || Volatile.Read(ref robbed) < robberies;
    }

    private Task WriteAsync(IDistributedLock held) => WriteAsync(held, _place);

    /// <summary>One guarded write. Its number tells the order of the commits, because the guard lets one holder write after the other.</summary>
    private async Task WriteAsync(IDistributedLock held, LockPlace place)
    {
        await using var connection = await place.Guarded.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await held.GuardAsync(transaction, None);
        await connection.Command("INSERT INTO writes (id, token) VALUES (@id, @token)", transaction).With("id", Interlocked.Increment(ref _write)).With("token", held.Token).ExecuteAsync(None);
        await transaction.CommitAsync();
    }
}
