using Broker.Tests.Support;
using Outbox.Locks;

namespace Broker.Tests.Conformance;

/// <summary>What users of locks rely on, wherever the locks are kept. A provider's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class LockSuite(Func<Task<LockPlace>> createAsync)
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);

    /// <summary>The shortest that etcd grants.</summary>
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(2);

    private LockPlace _place = null!;
    private IDistributedLocks _mine = null!;
    private IDistributedLocks _theirs = null!;

    [SetUp]
    public async Task Prepare()
    {
        _place = await createAsync();
        (_mine, _theirs) = (_place.Connect("me", Long), _place.Connect("them", Long));
    }

    [TearDown]
    public async Task Close()
    {
        if (_place is not null)
            await _place.DisposeAsync();
    }

    [Test]
    public async Task A_held_lock_is_refused_to_others_and_to_its_own_owner_and_another_name_is_free()
    {
        await using var held = await _mine.AcquireAsync("a", None);

        Assert.That(held.Name, Is.EqualTo("a"));
        Assert.That(held.LostToken.IsCancellationRequested, Is.False);
        Assert.That(await _theirs.TryAcquireAsync("a", None), Is.Null);
        Assert.That(await _mine.TryAcquireAsync("a", None), Is.Null);
        await using var other = await _theirs.TryAcquireAsync("A", None);
        Assert.That(other, Is.Not.Null, "names are case-sensitive");
    }

    [Test]
    public async Task Of_many_who_ask_at_once_one_gets_it()
    {
        var asked = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() => (i % 2 == 0 ? _mine : _theirs).TryAcquireAsync("a", None))));

        Assert.That(asked.Count(l => l is not null), Is.EqualTo(1));
        await asked.Single(l => l is not null)!.DisposeAsync();
    }

    [Test]
    public async Task Many_who_wait_get_it_one_after_the_other_with_tokens_that_rise()
    {
        var (inside, most, tokens) = (0, 0, new List<long>());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(async () =>
        {
            for (var time = 0; time < 3; time++)
            {
                await using var held = await (i % 2 == 0 ? _mine : _theirs).AcquireAsync("a", None);
                most = Math.Max(most, Interlocked.Increment(ref inside));
                tokens.Add(held.Token);
                await Task.Yield();
                Interlocked.Decrement(ref inside);
            }
        })));

        Assert.That(most, Is.EqualTo(1), "two were in at once");
        Assert.That(tokens, Has.Count.EqualTo(24).And.Ordered.And.Unique);
    }

    [Test]
    public async Task A_release_lets_the_next_one_in()
    {
        var held = await _mine.AcquireAsync("a", None);
        var (elsewhere, here) = (_theirs.AcquireAsync("a", None), _mine.AcquireAsync("a", None));
        await Eventually.IsTrueAsync(async () => (await _mine.ListAsync(None)).Single().Waiters == 2, "both processes are seen to wait");
        Assert.That(elsewhere.IsCompleted || here.IsCompleted, Is.False);

        await held.DisposeAsync();

        var first = await (await Task.WhenAny(elsewhere, here)).WaitAsync(TimeSpan.FromSeconds(60));
        await first.DisposeAsync();
        var both = await Task.WhenAll(elsewhere, here).WaitAsync(TimeSpan.FromSeconds(60));
        foreach (var one in both)
            await one.DisposeAsync();
        Assert.That(both.Select(l => l.Token).Append(held.Token), Is.Unique);
        Assert.That(both.Min(l => l.Token), Is.GreaterThan(held.Token));
    }

    [Test]
    public async Task Disposing_twice_releases_once()
    {
        var held = await _mine.AcquireAsync("a", None);
        await held.DisposeAsync();
        await using var next = await _theirs.AcquireAsync("a", None);

        await held.DisposeAsync();

        Assert.That(await _mine.TryAcquireAsync("a", None), Is.Null, "the second release took the next holder's lock");
    }

    [Test]
    public async Task A_wait_ends_when_its_time_is_over_and_the_error_names_the_lock()
    {
        await using var held = await _mine.AcquireAsync("settlement", None);

        Assert.That(await _theirs.TryAcquireAsync("settlement", TimeSpan.FromMilliseconds(200), None), Is.Null);
        Assert.That(async () => await _theirs.AcquireAsync("settlement", TimeSpan.FromMilliseconds(200), None), Throws.InstanceOf<TimeoutException>().With.Message.Contains("'settlement'"));
    }

    [Test]
    public async Task A_cancelled_wait_holds_nothing_afterwards()
    {
        var held = await _mine.AcquireAsync("a", None);
        using var stop = new CancellationTokenSource();
        var waiting = _theirs.AcquireAsync("a", stop.Token);

        await stop.CancelAsync();

        Assert.That(async () => await waiting.WaitAsync(TimeSpan.FromSeconds(60)), Throws.InstanceOf<OperationCanceledException>());
        await held.DisposeAsync();
        // It may have been asking at that moment; then it gives back what it gets.
        await using var next = await _mine.AcquireAsync("a", TimeSpan.FromSeconds(60), None);
        Assert.That(async () => await _theirs.AcquireAsync("b", new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task A_holder_renews_for_as_long_as_it_lives()
    {
        await using var held = await _place.Connect("short", Short).AcquireAsync("a", None);
        var began = TimeProvider.System.GetTimestamp();

        // For longer than its lease; not all places tell parts of a second, by which one could see a renewal.
        await Eventually.IsTrueAsync(async () =>
        {
            Assert.That((await _mine.ListAsync(None)).Select(l => l.Token), Is.EqualTo(new[] { held.Token }));
            return TimeProvider.System.GetElapsedTime(began) > Short * 2;
        }, "it is renewed");

        Assert.That(held.LostToken.IsCancellationRequested, Is.False);
        Assert.That(await _theirs.TryAcquireAsync("a", None), Is.Null);
    }

    [Test]
    public async Task A_lock_that_has_vanished_is_lost_and_no_renewal_makes_it_again()
    {
        await using var held = await _place.Connect("short", Short).AcquireAsync("a", None);

        await _place.VanishAsync("a");

        await LostAsync(held);
        Assert.That(await _mine.ListAsync(None), Is.Empty);
        await using var next = await _theirs.TryAcquireAsync("a", None);
        Assert.That(next!.Token, Is.GreaterThan(held.Token), "tokens rise also then");
    }

    [Test]
    public async Task A_stolen_lock_is_lost_to_its_holder_and_free_for_others()
    {
        await using var held = await _place.Connect("short", Short).AcquireAsync("a", None);

        Assert.That(await _mine.StealAsync("a", "the operator", None));

        Assert.That(await _mine.StealAsync("a", "the operator", None), Is.False, "nobody holds it now");
        await using var next = await _theirs.TryAcquireAsync("a", None);
        Assert.That(next!.Token, Is.GreaterThan(held.Token));
        await LostAsync(held);
        Assert.That((await _mine.ListAsync(None)).Single().Owner, Is.EqualTo("them"), "the robbed one takes nothing back");
    }

    [Test]
    public async Task A_list_shows_who_holds_what_since_when_for_how_long_and_who_waits()
    {
        await using var held = await _mine.AcquireAsync("b_b", None);
        await using var other = await _theirs.AcquireAsync("a%a", None);
        using var stop = new CancellationTokenSource();
        var waiting = _theirs.AcquireAsync("b_b", stop.Token);
        await Eventually.IsTrueAsync(async () => (await _mine.ListAsync(None))[1].Waiters == 1, "the wait shows");

        var list = await _theirs.ListAsync(None);

        Assert.That(list.Select(l => (l.Name, l.Owner, l.Token)), Is.EqualTo(new[] { ("a%a", "them", other.Token), ("b_b", "me", held.Token) }));
        Assert.That(list[1].ExpiresIn, Is.InRange(TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(6)));
        Assert.That(list[1].Since, Is.EqualTo(TimeProvider.System.GetUtcNow().UtcDateTime).Within(TimeSpan.FromMinutes(2)));
        await stop.CancelAsync();
        Assert.That(async () => await waiting, Throws.InstanceOf<OperationCanceledException>());
        await Eventually.IsTrueAsync(async () => (await _mine.ListAsync(None))[1].Waiters == 0, "who has gone away does not wait any more");
    }

    [Test]
    public async Task Several_are_taken_in_one_order_so_nobody_deadlocks_and_all_or_none()
    {
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(async () =>
        {
            var names = i % 2 == 0 ? new[] { "a", "b", "c" } : ["c", "b", "a"];
            for (var time = 0; time < 2; time++)
            {
                await using var all = await (i % 3 == 0 ? _mine : _theirs).AcquireAllAsync(names, None);
                Assert.That(all.Locks.Select(l => l.Name), Is.EqualTo(new[] { "a", "b", "c" }));
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60));
        await using var middle = await _mine.AcquireAsync("b", None);

        Assert.That(await _theirs.TryAcquireAllAsync(["c", "b", "a", "a"], TimeSpan.Zero, None), Is.Null);

        Assert.That((await _mine.ListAsync(None)).Select(l => l.Name), Is.EqualTo(new[] { "b" }), "what was taken is given back");
    }

    [TestCase("")]
    [TestCase(" a")]
    [TestCase("a\n")]
    [TestCase("a\tb")]
    public void A_name_that_databases_could_confuse_is_refused(string name) =>
        Assert.That(async () => await _mine.AcquireAsync(name, None), Throws.ArgumentException);

    [Test]
    public async Task A_name_may_have_any_other_character()
    {
        var name = new string('ü', 60) + "/' \"{}*?[]\\%_;--";

        await using var held = await _mine.AcquireAsync(name, None);

        Assert.That((await _theirs.ListAsync(None)).Single().Name, Is.EqualTo(name));
        Assert.That(await _theirs.TryAcquireAsync(name, None), Is.Null);
    }

    private static async Task LostAsync(IDistributedLock held)
    {
        var lost = new TaskCompletionSource();
        await using var _ = held.LostToken.Register(lost.SetResult);
        await lost.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }
}
