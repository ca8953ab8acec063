using Broker.Tests.Support;
using Outbox;

namespace Broker.Tests.Conformance;

/// <summary>The doorbell: what writers and relays of different processes rely on.</summary>
internal abstract partial class TransportSuite
{
    [Test]
    public async Task A_ring_reaches_everybody_who_listens_for_its_source_and_nobody_else()
    {
        var (source, other) = (TestServers.NewName("source"), TestServers.NewName("source"));
        var (first, second, stranger) = (new OutboxSignal(), new OutboxSignal(), new OutboxSignal());
        using var ear = _transport.Doorbell.Listen(source, first.Wake);
        using var ear2 = _transport.Doorbell.Listen(source, second.Wake);
        using var otherEar = _transport.Doorbell.Listen(other, stranger.Wake);
        await HeardAsync(other, stranger);
        // Rings keep their order, so what was rung above for the other source has been heard by then.
        await HeardAsync(source, first);
        await HeardAsync(source, second);

        var (heard, heardToo, mistaken) = (first.Next, second.Next, stranger.Next);
        _transport.Doorbell.Ring(source);

        await Task.WhenAll(heard, heardToo).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(mistaken.IsCompleted, Is.False);
    }

    [Test]
    public async Task Who_has_stopped_listening_hears_no_ring()
    {
        var source = TestServers.NewName("source");
        var (gone, stays) = (new OutboxSignal(), new OutboxSignal());
        using var ear = _transport.Doorbell.Listen(source, stays.Wake);
        var late = _transport.Doorbell.Listen(source, gone.Wake);
        await HeardAsync(source, gone);
        late.Dispose();
        late.Dispose();
        var (wrong, right) = (gone.Next, stays.Next);

        _transport.Doorbell.Ring(source);

        await right.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(wrong.IsCompleted, Is.False);
    }

    [Test]
    public async Task A_source_can_be_listened_for_again_after_nobody_did()
    {
        var source = TestServers.NewName("source");
        for (var i = 0; i < 2; i++)
        {
            var signal = new OutboxSignal();
            using var ear = _transport.Doorbell.Listen(source, signal.Wake);
            await HeardAsync(source, signal);
        }
    }

    [Test]
    public async Task A_ring_for_nobody_and_one_on_a_disposed_transport_do_nothing()
    {
        _transport.Doorbell.Ring(TestServers.NewName("source"));
        await _transport.DisposeAsync();
        Assert.That(() => _transport.Doorbell.Ring(TestServers.NewName("source")), Throws.Nothing);
    }

    /// <summary>Rings until the listener, which may still be connecting, hears it.</summary>
    private async Task HeardAsync(string source, OutboxSignal signal)
    {
        var next = signal.Next;
        await Eventually.IsTrueAsync(() =>
        {
            _transport.Doorbell.Ring(source);
            return Task.FromResult(next.IsCompleted);
        }, "a ring is heard");
    }
}
