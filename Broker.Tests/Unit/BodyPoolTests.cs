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

    private static List<byte[]> Fill(BodyPool pool) => [.. Enumerable.Range(0, 48).Select(_ => pool.Take(4_096).Block.Bytes)];
}
