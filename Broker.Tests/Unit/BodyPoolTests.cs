using Broker.Relay;

namespace Broker.Tests.Unit;

internal sealed class BodyPoolTests
{
    [Test]
    public void Memory_is_used_again_only_after_every_body_in_it_was_given_back()
    {
        var pool = new BodyPool();
        var first = Enumerable.Range(0, 16).Select(_ => pool.Take(4_096)).ToList();
        var bytes = first[0].Block.Bytes;
        Assert.That(first.Select(b => b.Block.Bytes), Has.All.SameAs(bytes));
        Assert.That(first.Select(b => b.Offset).Distinct().Count(), Is.EqualTo(16), "no two bodies share a place");
        first.Skip(1).ToList().ForEach(b => b.Block.GiveBack());
        Assert.That(Fill(pool), Has.None.SameAs(bytes), "one of them is still read");
        first[0].Block.GiveBack();
        Assert.That(Fill(pool), Has.Some.SameAs(bytes));
    }

    [Test]
    public void A_large_body_and_an_empty_one_have_their_place_too()
    {
        var pool = new BodyPool();
        var (large, offset) = pool.Take(1_000_000);
        Assert.That((large.Bytes.Length, offset), Is.EqualTo((1_000_000, 0)));
        large.GiveBack();
        Assert.That(pool.Take(0).Block.Bytes, Is.Not.SameAs(large.Bytes));
    }

    [Test]
    public void Pools_that_share_their_free_memory_use_it_in_turns_and_no_body_of_another()
    {
        var free = new BodyPool.Free();
        var (one, other) = (new BodyPool(free), new BodyPool(free));
        var first = Enumerable.Range(0, 16).Select(_ => one.Take(4_096)).ToList();
        var bytes = first[0].Block.Bytes;
        Assert.That(Fill(other), Has.None.SameAs(bytes), "it is in use");
        // The next body lets the full block go.
        one.Take(4_096);
        first.ForEach(b => b.Block.GiveBack());
        Assert.That(Fill(other), Has.Some.SameAs(bytes));
    }

    private static List<byte[]> Fill(BodyPool pool) => [.. Enumerable.Range(0, 48).Select(_ => pool.Take(4_096).Block.Bytes)];
}
