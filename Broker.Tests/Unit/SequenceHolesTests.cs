using Broker.Relay;

namespace Broker.Tests.Unit;

/// <summary>The missing numbers below the highest one read.</summary>
internal sealed class SequenceHolesTests
{
    [Test]
    public void Whatever_happens_they_are_the_numbers_that_a_set_would_hold([Range(1, 20)] int seed)
    {
        var random = new Random(seed);
        var holes = new SequenceHoles();
        var expected = new SortedSet<long>();
        var next = 1L;
        for (var i = 0; i < 400; i++)
        {
            switch (random.Next(4))
            {
                case 0 or 1:
                    next += random.Next(1, 5);
                    var last = next + random.Next(0, 6);
                    holes.Append(next, last);
                    for (var n = next; n <= last; n++)
                        expected.Add(n);
                    next = last + 2;
                    break;
                case 2:
                    var filled = random.NextInt64(1, next + 1);
                    Assert.That(holes.Fill(filled), Is.EqualTo(expected.Remove(filled)));
                    break;
                default:
                    var after = random.NextInt64(0, next);
                    var upTo = after + random.NextInt64(0, 40);
                    long[] except = [.. Enumerable.Range(0, 3).Select(_ => random.NextInt64(1, next + 1)).Distinct()];
                    holes.Close(after, upTo, except);
                    expected.RemoveWhere(n => n > after && n <= upTo && !except.Contains(n));
                    break;
            }
            Assert.That(Numbers(holes.Spans(long.MaxValue, int.MaxValue)), Is.EqualTo(expected));
            Assert.That(holes.Any, Is.EqualTo(expected.Count > 0));
            if (expected.Count > 0)
                Assert.That(holes.Lowest, Is.EqualTo(expected.Min));
        }
    }

    [Test]
    public void Spans_cover_every_hole_up_to_a_number_with_few_ranges_and_join_the_nearest_first()
    {
        var holes = new SequenceHoles();
        holes.Append(1, 1);
        for (var n = 100_000L; n < 100_400; n += 2)
            holes.Append(n, n);
        holes.Append(200_000, 200_010);

        Assert.That(holes.Spans(long.MaxValue, 3), Is.EqualTo(new[] { (1L, 1L), (100_000L, 100_398L), (200_000L, 200_010L) }), "not over the wide gaps");
        Assert.That(holes.Spans(200_005, 3)[^1], Is.EqualTo((200_000L, 200_005L)));
        Assert.That(holes.Spans(100_001, 3), Is.EqualTo(new[] { (1L, 1L), (100_000L, 100_000L) }));
        Assert.That(holes.Spans(long.MaxValue, 1), Is.EqualTo(new[] { (1L, 200_010L) }));
        Assert.That(holes.Spans(long.MaxValue, 1_000), Has.Count.EqualTo(202));
    }

    private static IEnumerable<long> Numbers(IEnumerable<(long First, long Last)> spans) => spans.SelectMany(s => Enumerable.Range(0, (int)(s.Last - s.First) + 1).Select(i => s.First + i));
}
