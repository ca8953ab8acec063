using Broker.Bench;

namespace Broker.Tests.Unit;

internal sealed class StatisticsTests
{
    [TestCase(new double[] { 3 }, 3)]
    [TestCase(new double[] { 9, 1, 5 }, 5)]
    [TestCase(new double[] { 4, 1, 3, 2 }, 2.5)]
    public void The_median_is_the_middle_of_them_in_any_order(double[] values, double expected) => Assert.That(Statistics.Median(values), Is.EqualTo(expected));

    [TestCase(0, 10)]
    [TestCase(50, 30)]
    [TestCase(90, 46)]
    [TestCase(99, 49.6)]
    [TestCase(100, 50)]
    public void A_percentile_lies_between_its_two_neighbours_in_proportion(double percent, double expected) =>
        Assert.That(Statistics.Percentile([50, 10, 40, 20, 30], percent), Is.EqualTo(expected).Within(1e-9));

    [Test]
    public void A_percentile_of_one_value_is_that_value([Values(0, 50, 99, 100)] double percent) => Assert.That(Statistics.Percentile([7.5], percent), Is.EqualTo(7.5));

    [Test]
    public void Nothing_has_no_percentile() => Assert.That(() => Statistics.Percentile([], 50), Throws.ArgumentException);

    [TestCase(-1)]
    [TestCase(101)]
    public void A_percentile_is_from_0_to_100(double percent) => Assert.That(() => Statistics.Percentile([1], percent), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void A_ratio_is_taken_round_by_round_and_the_warm_up_does_not_count()
    {
        BenchSample Sample(string what, int pair, double rate) => new(what, pair, new ChildResult { Count = (long)rate, Seconds = 1 });
        BenchSample[] samples = [Sample("raw", 0, 1), Sample("relay", 0, 1_000), Sample("raw", 1, 100), Sample("relay", 1, 50), Sample("raw", 2, 200), Sample("relay", 2, 180), Sample("raw", 3, 400), Sample("relay", 3, 240)];

        Assert.That(RateTable.Over(samples, "relay", "raw", r => r.Rate), Is.EqualTo(new Bench.Range(0.6, 0.5, 0.9)));
    }
}
