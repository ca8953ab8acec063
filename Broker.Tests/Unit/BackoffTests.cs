using Outbox.Diagnostics;

namespace Broker.Tests.Unit;

internal sealed class BackoffTests
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(3);

    [TestCase(0, 100)]
    [TestCase(1, 100)]
    [TestCase(2, 200)]
    [TestCase(3, 400)]
    [TestCase(5, 1_600)]
    [TestCase(6, 3_000)]
    [TestCase(1_000, 3_000)]
    [TestCase(int.MaxValue, 3_000)]
    public void A_wait_doubles_up_to_the_longest_give_or_take_a_fifth(int failures, int milliseconds)
    {
        for (var i = 0; i < 200; i++)
            Assert.That(Backoff.Delay(failures, First, Longest).TotalMilliseconds, Is.InRange(milliseconds * 0.8, milliseconds * 1.2));
    }

    [Test]
    public void Waits_differ_so_that_many_do_not_come_back_together() =>
        Assert.That(Enumerable.Range(0, 100).Select(_ => Backoff.Delay(1, First, Longest)).Distinct().Count(), Is.GreaterThan(50));
}
