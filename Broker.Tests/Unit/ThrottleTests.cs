using Microsoft.Extensions.Time.Testing;
using Outbox;

namespace Broker.Tests.Unit;

internal sealed class ThrottleTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly FakeTimeProvider _time = new();
    private int _rings;
    private Throttle _throttle = null!;

    [SetUp]
    public void Prepare() => (_rings, _throttle) = (0, new Throttle(Interval, _time, () => _rings++));

    [TearDown]
    public void Close() => _throttle.Dispose();

    [Test]
    public void The_first_call_goes_through_at_once()
    {
        _throttle.Call();
        Assert.That(_rings, Is.EqualTo(1));
    }

    [Test]
    public void Calls_that_follow_soon_become_one_after_the_interval()
    {
        for (var i = 0; i < 5; i++)
            _throttle.Call();
        Assert.That(_rings, Is.EqualTo(1));
        _time.Advance(Interval);
        Assert.That(_rings, Is.EqualTo(2), "the last of them is not lost");
        _time.Advance(Interval * 10);
        Assert.That(_rings, Is.EqualTo(2), "and it is one");
    }

    [Test]
    public void After_a_rest_the_next_call_goes_through_at_once_again()
    {
        _throttle.Call();
        _time.Advance(Interval);
        _throttle.Call();
        Assert.That(_rings, Is.EqualTo(2));
    }

    [Test]
    public void A_steady_stream_of_calls_goes_through_once_in_each_interval()
    {
        for (var i = 0; i < 100; i++)
        {
            _throttle.Call();
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }
        Assert.That(_rings, Is.EqualTo(11).Within(1));
    }

    [Test]
    public void A_disposed_one_does_nothing()
    {
        _throttle.Call();
        _throttle.Call();
        _throttle.Dispose();
        _time.Advance(Interval);
        _throttle.Call();
        Assert.That(_rings, Is.EqualTo(1));
    }
}
