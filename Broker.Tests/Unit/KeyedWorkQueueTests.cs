using Outbox.Consumers;

namespace Broker.Tests.Unit;

internal sealed class KeyedWorkQueueTests
{
    private KeyedWorkQueue<int> _work = new();

    [SetUp]
    public void Prepare() => _work = new KeyedWorkQueue<int>();


    [Test]
    public void Of_a_key_one_item_is_out_at_a_time_and_they_come_in_order()
    {
        for (var i = 1; i <= 3; i++)
            _work.Add("a", i);

        for (var i = 1; i <= 3; i++)
        {
            Assert.That(Take(), Is.EqualTo(new[] { i }));
            _work.Done("a");
        }
        Assert.That(Take(), Is.Empty);
    }

    [Test]
    public void Items_of_other_keys_and_without_a_key_do_not_wait()
    {
        _work.Add("a", 1);
        _work.Add("a", 2);
        _work.Add("b", 3);
        _work.Add(null, 4);
        _work.Add(null, 5);

        Assert.That(Take(), Is.EqualTo(new[] { 1, 3, 4, 5 }));
        _work.Done("a");
        Assert.That(Take(), Is.EqualTo(new[] { 2 }));
        foreach (var key in (string?[])["a", "b", null, null])
            _work.Done(key);
    }

    [Test]
    public void An_item_that_runs_again_stays_ahead_of_its_key()
    {
        _work.Add("a", 1);
        _work.Add("a", 2);
        Assert.That(Take(), Is.EqualTo(new[] { 1 }));

        Assert.That(Take(), Is.Empty, "while the first one waits for its next attempt");
        _work.Again("a", 1);
        Assert.That(Take(), Is.EqualTo(new[] { 1 }));
        _work.Done("a");
        Assert.That(Take(), Is.EqualTo(new[] { 2 }));
        _work.Done("a");
    }

    [Test]
    public void Its_owner_can_take_the_next_items_of_a_key_and_put_them_back_in_their_order()
    {
        for (var i = 1; i <= 4; i++)
            _work.Add("a", i);
        Assert.That(Take(), Is.EqualTo(new[] { 1 }));
        Assert.That((_work.TryTakeNext("a", out var second), second, _work.TryTakeNext("a", out var third), third), Is.EqualTo((true, 2, true, 3)));

        _work.PutBack("a", [2, 3]);
        _work.Again("a", 1);

        for (var i = 1; i <= 4; i++)
        {
            Assert.That(Take(), Is.EqualTo(new[] { i }));
            _work.Done("a");
        }
        Assert.That(Take(), Is.Empty);
    }

    [Test]
    public void Its_owner_leaves_what_it_may_not_take_and_all_that_comes_after_it()
    {
        for (var i = 1; i <= 3; i++)
            _work.Add("a", i);
        Assert.That(Take(), Is.EqualTo(new[] { 1 }));

        Assert.That(_work.TryTakeNext("a", out _, i => i != 2), Is.False);

        foreach (var next in (int[])[2, 3])
        {
            _work.Done("a");
            Assert.That(Take(), Is.EqualTo(new[] { next }));
        }
    }

    [Test]
    public void A_key_has_no_next_item_once_its_owner_has_them_all()
    {
        _work.Add("a", 1);
        _work.Add("a", 2);
        Assert.That(Take(), Is.EqualTo(new[] { 1 }));
        Assert.That((_work.TryTakeNext("a", out var second), second), Is.EqualTo((true, 2)));

        Assert.That(_work.TryTakeNext("a", out _), Is.False);
        _work.Done("a");
        Assert.That(Take(), Is.Empty);
    }

    [Test]
    public void A_key_that_was_finished_can_come_again()
    {
        _work.Add("a", 1);
        Take();
        _work.Done("a");
        _work.Add("a", 2);

        Assert.That(Take(), Is.EqualTo(new[] { 2 }));
        _work.Done("a");
    }

    [Test]
    public async Task Many_workers_never_hold_two_items_of_one_key_and_lose_none()
    {
        const int items = 2_000;
        var running = new int[4];
        var seen = Enumerable.Range(0, 4).Select(_ => new List<int>()).ToArray();
        var left = items;
        var workers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (await _work.Ready.WaitToReadAsync())
            {
                while (_work.Ready.TryRead(out var item))
                {
                    var key = item.Item % 4;
                    Assert.That(Interlocked.Increment(ref running[key]), Is.EqualTo(1));
                    seen[key].Add(item.Item);
                    await Task.Yield();
                    Interlocked.Decrement(ref running[key]);
                    _work.Done(item.Key);
                    if (Interlocked.Decrement(ref left) == 0)
                        _work.Complete();
                }
            }
        })).ToList();

        for (var i = 0; i < items; i++)
            _work.Add($"{i % 4}", i);
        await Task.WhenAll(workers).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.That(seen.Select(s => s.Count), Is.All.EqualTo(items / 4));
        Assert.That(seen, Has.All.Ordered);
    }

    private List<int> Take()
    {
        var items = new List<int>();
        while (_work.Ready.TryRead(out var item))
            items.Add(item.Item);
        return items;
    }
}
