using Microsoft.Extensions.Time.Testing;
using Outbox;

namespace Broker.Tests.Unit;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class OutboxSignalTests
{
    private readonly OutboxSignal _signal = new();
    private int _rings;

    [Test]
    public void A_commit_wakes_the_relay_here_and_rings_for_the_others()
    {
        _signal.RingWith(() => _rings++);
        var next = _signal.Next;
        _signal.Raise();
        Assert.That((next.IsCompleted, _rings), Is.EqualTo((true, 1)));
    }

    [Test]
    public void A_ring_that_was_heard_is_not_rung_again()
    {
        _signal.RingWith(() => _rings++);
        var next = _signal.Next;
        _signal.Wake();
        Assert.That((next.IsCompleted, _rings), Is.EqualTo((true, 0)));
    }

    [Test]
    public void While_the_relay_here_drains_every_partition_nobody_else_is_rung_for()
    {
        _signal.RingWith(() => _rings++);
        _signal.IsDrainedHere = true;
        _signal.Raise();
        Assert.That(_rings, Is.Zero);
        _signal.IsDrainedHere = false;
        _signal.Raise();
        Assert.That(_rings, Is.EqualTo(1));
    }

    [Test]
    public void Rows_whose_commit_is_not_told_wake_the_relay_a_little_later_and_once_for_many()
    {
        var time = new FakeTimeProvider();
        var signal = new OutboxSignal(time);
        signal.RingWith(() => _rings++);
        var next = signal.Next;

        signal.RaiseSoon();
        signal.RaiseSoon();

        Assert.That(next.IsCompleted, Is.False, "the transaction is still open");
        time.Advance(TimeSpan.FromMilliseconds(5));
        Assert.That((next.IsCompleted, _rings), Is.EqualTo((true, 1)));
        signal.RaiseSoon();
        time.Advance(TimeSpan.FromMilliseconds(5));
        Assert.That(_rings, Is.EqualTo(2), "the next ones wake it again");
    }

    [Test]
    public void A_commit_that_is_told_makes_the_later_look_needless()
    {
        var time = new FakeTimeProvider();
        var signal = new OutboxSignal(time);
        signal.RingWith(() => _rings++);

        signal.RaiseSoon();
        signal.Raise();
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.That(_rings, Is.EqualTo(1));
        signal.RaiseSoon();
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(_rings, Is.EqualTo(2), "rows of a later transaction count again");
    }
}
