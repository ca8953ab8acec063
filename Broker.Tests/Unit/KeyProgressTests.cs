using Outbox.Inbox;

namespace Broker.Tests.Unit;

internal sealed class KeyProgressTests
{
    [Test]
    public void Ranges_hold_the_same_numbers_as_a_set_whatever_is_added_and_removed([Values(1, 2, 3, 4, 5)] int seed)
    {
        var (random, ranges, set) = (new Random(seed), new NumberRanges(), new HashSet<long>());
        for (var i = 0; i < 500; i++)
        {
            var first = random.Next(60);
            if (random.Next(2) == 0)
            {
                var last = first + random.Next(-1, 6);
                ranges.Add(first, last);
                for (long number = first; number <= last; number++)
                    set.Add(number);
            }
            else
            {
                ranges.Remove(first);
                set.Remove(first);
            }
            ranges = NumberRanges.Parse(ranges.IsEmpty ? null : ranges.ToString());
            Assert.That(Enumerable.Range(-1, 70).Where(n => ranges.Contains(n)), Is.EqualTo(Enumerable.Range(-1, 70).Where(n => set.Contains(n))), ranges.ToString());
        }
    }

    [Test]
    public void Ranges_that_touch_are_written_as_one()
    {
        var ranges = new NumberRanges();
        foreach (var number in (long[])[5, 3, 9, 4, 10])
            ranges.Add(number, number);

        Assert.That(ranges.ToString(), Is.EqualTo("3-5,9-10"));
    }

    [Test]
    public void A_key_goes_on_past_numbers_that_are_not_waited_for()
    {
        var progress = new KeyProgress("orders", "a", last: 16, skipped: "18,20");

        Assert.That(((long[])[16, 17, 18, 19, 20]).Select(progress.PlaceOf), Is.EqualTo(new[] { NumberPlace.Known, NumberPlace.Next, NumberPlace.Passed, NumberPlace.Ahead, NumberPlace.Passed }));
        progress.Apply(17);
        Assert.That((progress.Last, progress.Skipped, progress.HasMoved, progress.HasSkipped), Is.EqualTo((18L, "18,20", true, false)));
        progress.Apply(19);
        Assert.That((progress.Last, progress.PlaceOf(21)), Is.EqualTo((20L, NumberPlace.Next)));
    }

    [Test]
    public void What_was_passed_over_can_be_applied_later_once()
    {
        var progress = new KeyProgress("orders", "a", last: 16, skipped: null);
        progress.PassBefore(19);
        progress.Apply(19);
        Assert.That((progress.Last, progress.Skipped), Is.EqualTo((19L, "17-18")));

        progress.Apply(18);

        Assert.That((progress.Last, progress.Skipped, progress.PlaceOf(18), progress.PlaceOf(17)), Is.EqualTo((19L, "17", NumberPlace.Known, NumberPlace.Passed)));
    }
}
