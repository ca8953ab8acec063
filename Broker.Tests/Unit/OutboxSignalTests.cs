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
}
