using Broker.Tests.Support;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Messages;
using Outbox.RabbitMQ;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>What a real broker and a real network do to the doorbell.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class RabbitMqDoorbellTests
{
    private string _uri = "";
    private string _source = "";

    [SetUp]
    public async Task Prepare() => (_uri, _source) = (await TestServers.RabbitMqAsync(), TestServers.NewName("source"));

    [Test]
    public async Task Rings_go_from_one_process_to_the_relays_of_all_others()
    {
        await using var writer = TestTransport.CreateRabbitMq(_uri);
        await using var first = TestTransport.CreateRabbitMq(_uri);
        await using var second = TestTransport.CreateRabbitMq(_uri);
        var (one, two) = (new OutboxSignal(), new OutboxSignal());
        using var ear = first.Doorbell.Listen(_source, one.Wake);
        using var ear2 = second.Doorbell.Listen(_source, two.Wake);

        await HeardAsync(writer, one);
        await HeardAsync(writer, two);
    }

    [Test]
    public async Task A_listener_whose_connection_is_lost_looks_once_when_it_is_back_and_hears_again()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var writer = TestTransport.CreateRabbitMq(_uri);
        await using var listener = TestTransport.CreateRabbitMq(uri);
        var signal = new OutboxSignal();
        using var ear = listener.Doorbell.Listen(_source, signal.Wake);
        await HeardAsync(writer, signal);

        var missed = signal.Next;
        proxy.Cut();

        await missed.WaitAsync(TimeSpan.FromSeconds(60));
        await HeardAsync(writer, signal);
    }

    [Test]
    public async Task While_the_broker_is_away_rings_are_dropped_without_a_wait_and_one_line_says_so()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        var log = new TestLog();
        await using var writer = Create(uri, log);
        await using var listener = TestTransport.CreateRabbitMq(_uri);
        var signal = new OutboxSignal();
        using var ear = listener.Doorbell.Listen(_source, signal.Wake);
        await HeardAsync(writer, signal);
        proxy.Cut(refuse: true);

        await Eventually.IsTrueAsync(() =>
        {
            writer.Doorbell.Ring(_source);
            return Task.FromResult(log.Entries.Any(e => e.Id == 2200));
        }, "the loss is told");
        for (var i = 0; i < 100_000; i++)
            writer.Doorbell.Ring(_source);
        proxy.Resume();
        await HeardAsync(writer, signal);

        Assert.That(log.Entries.Count(e => e.Id == 2200), Is.EqualTo(1));
        Assert.That(log.Entries.Count(e => e.Id == 2201), Is.EqualTo(1));
    }

    [Test]
    public async Task A_broker_that_has_stopped_answering_holds_up_neither_those_who_ring_nor_the_end()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        var writer = TestTransport.CreateRabbitMq(uri);
        await using var listener = TestTransport.CreateRabbitMq(_uri);
        var signal = new OutboxSignal();
        using var ear = listener.Doorbell.Listen(_source, signal.Wake);
        await HeardAsync(writer, signal);
        proxy.Stall();

        for (var i = 0; i < 100_000; i++)
            writer.Doorbell.Ring(_source);

        await writer.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Test]
    public async Task A_user_without_rights_to_it_gets_one_warning_and_its_events_flow()
    {
        var (exchange, log) = (TestServers.NewName("exchange"), new TestLog());
        var uri = await TestServers.RestrictedUserAsync(rights: "exchange-.*");
        await using var transport = Create(uri, log);

        transport.Doorbell.Ring(_source);
        using var ear = transport.Doorbell.Listen(_source, () => { });
        await log.FirstAsync(e => e.Id == 2202 && e.Message.Contains("outbox.doorbell", StringComparison.Ordinal));
        for (var i = 0; i < 100; i++)
            transport.Doorbell.Ring(_source);

        await using var channel = await transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = exchange }, CancellationToken.None);
        await channel.PublishAsync(new Envelope { MessageId = Guid.CreateVersion7(), Type = "tests.something.v1", Body = "{}"u8.ToArray() }, 1, CancellationToken.None);
        Assert.That((await channel.Results.ReadAsync()).Outcome, Is.EqualTo(PublishOutcome.Unroutable), "the channel of events is open");
        Assert.That(log.Entries.Where(e => e.Level >= LogLevel.Warning).Select(e => e.Id), Is.All.EqualTo(2202));
        Assert.That(log.Entries.Count(e => e.Id == 2202), Is.LessThanOrEqualTo(2), "one for ringing, one for listening");
    }

    [Test]
    public async Task Rights_to_what_begins_with_the_exchanges_name_are_enough()
    {
        var log = new TestLog();
        var uri = await TestServers.RestrictedUserAsync(rights: "outbox\\.doorbell.*");
        await using var transport = Create(uri, log);
        var signal = new OutboxSignal();
        using var ear = transport.Doorbell.Listen(_source, signal.Wake);
        await HeardAsync(transport, signal);
        Assert.That(log.Entries.Where(e => e.Level >= LogLevel.Warning), Is.Empty);
    }

    private static RabbitMqTransport Create(string uri, TestLog log) => new(new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(uri), ClientName = TestContext.CurrentContext.Test.Name }, log, TimeProvider.System);

    /// <summary>Rings until the listener, which may still be connecting, hears it.</summary>
    private async Task HeardAsync(RabbitMqTransport writer, OutboxSignal signal)
    {
        var next = signal.Next;
        await Eventually.IsTrueAsync(() =>
        {
            writer.Doorbell.Ring(_source);
            return Task.FromResult(next.IsCompleted);
        }, "a ring is heard");
    }
}
