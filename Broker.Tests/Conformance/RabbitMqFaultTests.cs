using System.Text;
using Broker.Tests.Support;
using Outbox.Messages;
using Outbox.RabbitMQ;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Broker.Tests.Conformance;

/// <summary>What only a real broker and a real network can do to a channel or a subscription.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class RabbitMqFaultTests
{
    private const string Type = "tests.something.v1";

    private string _uri = "";
    private string _exchange = "";
    private string _queue = "";
    private TestBroker _broker = null!;

    [SetUp]
    public async Task Prepare()
    {
        _uri = await TestServers.RabbitMqAsync();
        (_exchange, _queue) = (TestServers.NewName("exchange"), TestServers.NewName("queue"));
        _broker = await TestBroker.ConnectAsync();
    }

    [TearDown]
    public ValueTask Close() => _broker?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Messages_are_persistent_and_carry_the_AMQP_properties()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await BindAsync();
        var message = Message("{}");
        await PublishAsync(transport, message);

        var stored = (await _broker.GetAsync(_queue))!;
        Assert.Multiple(() =>
        {
            Assert.That(stored.BasicProperties.DeliveryMode, Is.EqualTo(DeliveryModes.Persistent));
            Assert.That(stored.BasicProperties.MessageId, Is.EqualTo(message.MessageId.ToString("D")));
            Assert.That(stored.BasicProperties.Type, Is.EqualTo(Type));
            Assert.That(stored.BasicProperties.ContentType, Is.EqualTo("application/json"));
            Assert.That(stored.BasicProperties.Timestamp.UnixTime, Is.EqualTo(1_700_000_000));
            Assert.That(stored.RoutingKey, Is.EqualTo(Type));
        });
    }

    [Test]
    public async Task A_node_that_is_down_leaves_its_clients_to_the_next_one()
    {
        var node = new Uri(_uri);
        await using var transport = TestTransport.CreateRabbitMq(_uri, o => o.Hosts = $"127.0.0.1:1, 127.0.0.1:2, {node.Host}:{(node.Port > 0 ? node.Port : 5672)}");
        await BindAsync();

        await PublishAsync(transport, Message("{}"));

        Assert.That(await _broker.CountAsync(_queue), Is.EqualTo(1));
    }

    [Test]
    public async Task A_body_that_is_too_large_is_refused_alone()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri, o => o.MaxMessageBytes = 1_000);
        await BindAsync();
        await using var channel = await OpenAsync(transport);

        await channel.PublishAsync(Message("before"), 1, CancellationToken.None);
        await channel.PublishAsync(Message(new string('x', 1_001)), 2, CancellationToken.None);
        await channel.PublishAsync(Message(new string('x', 1_000)), 3, CancellationToken.None);

        var results = (await ResultsAsync(channel, 3)).ToDictionary(r => r.Ticket);
        Assert.That((results[1].Outcome, results[2].Outcome, results[3].Outcome), Is.EqualTo((PublishOutcome.Confirmed, PublishOutcome.Refused, PublishOutcome.Confirmed)));
        Assert.That(results[2].Reason, Does.Contain("1,001").And.Contain("1,000"));
    }

    [Test]
    public async Task When_the_channel_is_lost_every_unanswered_ticket_comes_back_as_unknown()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await BindAsync();
        await using var channel = await OpenAsync(transport);
        proxy.StallReplies();
        for (var i = 0; i < 50; i++)
            await channel.PublishAsync(Message($"{i}"), i, CancellationToken.None);
        Assert.That(channel.Results.TryRead(out var _), Is.False);

        proxy.Cut();

        var results = await ResultsAsync(channel, 50);
        Assert.That(results.Select(r => r.Outcome), Is.All.EqualTo(PublishOutcome.Unknown));
        Assert.That(results.Select(r => r.Ticket), Is.EquivalentTo(Enumerable.Range(0, 50)));
        Assert.That(await channel.Results.WaitToReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)), Is.False, "the results are complete");
        Assert.That(async () => await channel.PublishAsync(Message("late"), 99, CancellationToken.None), Throws.TypeOf<TransportException>().With.Property("IsTransient").True);
    }

    [Test]
    public async Task After_a_lost_connection_a_new_channel_works()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await BindAsync();
        await using (var channel = await OpenAsync(transport))
        {
            proxy.Cut();
            Assert.That(await channel.Results.WaitToReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)), Is.False);
        }

        await PublishAsync(transport, Message("after"));
        Assert.That(Encoding.UTF8.GetString((await _broker.GetAsync(_queue))!.Body.Span), Is.EqualTo("after"));
    }

    [Test]
    public async Task A_full_window_holds_the_writer_back_until_an_answer_comes()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await BindAsync();
        await using var channel = await OpenAsync(transport, window: 3);
        proxy.StallReplies();
        for (var i = 0; i < 3; i++)
            await channel.PublishAsync(Message($"{i}"), i, CancellationToken.None);

        var fourth = channel.PublishAsync(Message("3"), 3, CancellationToken.None).AsTask();
        Assert.That(fourth.IsCompleted, Is.False);
        proxy.Resume();

        await fourth.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That((await ResultsAsync(channel, 4)).Select(r => (r.Ticket, r.Outcome)), Is.EquivalentTo(Enumerable.Range(0, 4).Select(i => ((long)i, PublishOutcome.Confirmed))));
    }

    [Test]
    public async Task A_publish_that_gives_up_its_wait_for_a_place_is_not_sent()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await BindAsync();
        await using var channel = await OpenAsync(transport, window: 1);
        proxy.StallReplies();
        await channel.PublishAsync(Message("first"), 1, CancellationToken.None);
        using var impatient = new CancellationTokenSource();
        var waiting = channel.PublishAsync(Message("given up"), 2, impatient.Token).AsTask();
        await impatient.CancelAsync();
        Assert.That(async () => await waiting, Throws.InstanceOf<OperationCanceledException>());

        proxy.Resume();
        await channel.PublishAsync(Message("third"), 3, CancellationToken.None);

        Assert.That((await ResultsAsync(channel, 2)).Select(r => r.Ticket), Is.EquivalentTo(new long[] { 1, 3 }));
        Assert.That(await _broker.CountAsync(_queue), Is.EqualTo(2));
    }

    [Test]
    public async Task A_writer_that_waits_for_a_place_is_told_when_the_channel_is_lost()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await BindAsync();
        await using var channel = await OpenAsync(transport, window: 1);
        proxy.StallReplies();
        await channel.PublishAsync(Message("first"), 1, CancellationToken.None);
        var waiting = channel.PublishAsync(Message("second"), 2, CancellationToken.None).AsTask();

        proxy.Cut();

        Assert.That(async () => await waiting.WaitAsync(TimeSpan.FromSeconds(60)), Throws.TypeOf<TransportException>());
        Assert.That((await ResultsAsync(channel, 1)).Single(), Is.EqualTo(new PublishResult(1, PublishOutcome.Unknown)).Using<PublishResult>((a, b) => (a.Ticket, a.Outcome) == (b.Ticket, b.Outcome)));
    }

    [Test]
    public async Task A_broker_that_has_stopped_reading_holds_up_neither_its_writer_nor_whoever_lets_go()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        var transport = TestTransport.CreateRabbitMq(uri);
        await BindAsync();
        var channel = await OpenAsync(transport);
        proxy.Stall();
        var (sent, message) = (0, Message(new string('x', 256 * 1024)));
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // More than all buffers on the way can take, so the writer ends only by an error.
        var writing = Task.Run(async () =>
        {
            for (; sent < 1_000; sent++)
            {
                await channel.PublishAsync(message, sent, CancellationToken.None);
                begun.TrySetResult();
            }
        });
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(60));

        await channel.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

        Assert.That(async () => await writing.WaitAsync(TimeSpan.FromSeconds(60)), Throws.TypeOf<TransportException>());
        Assert.That((await channel.Results.ReadAllAsync().ToListAsync()).Select(r => r.Outcome), Is.EqualTo(Enumerable.Repeat(PublishOutcome.Unknown, sent)));
        await transport.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Test]
    public async Task A_queue_that_is_full_nacks_and_the_message_itself_is_not_blamed()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await _broker.DeclareExchangeAsync(_exchange);
        await _broker.DeclareQueueAsync(_queue, _exchange, Type, new() { ["x-max-length"] = 1, ["x-overflow"] = "reject-publish" });
        await using var channel = await OpenAsync(transport);

        var outcomes = new List<PublishOutcome>();
        // A quorum queue lets some more in before its channels learn that it is full.
        await Eventually.IsTrueAsync(async () =>
        {
            await channel.PublishAsync(Message("fill"), outcomes.Count, CancellationToken.None);
            outcomes.Add((await ResultsAsync(channel, 1)).Single().Outcome);
            return outcomes[^1] == PublishOutcome.Nacked;
        }, "a full queue nacks");

        Assert.That(outcomes[..^1], Is.Not.Empty.And.All.EqualTo(PublishOutcome.Confirmed));
        Assert.That(await _broker.CountAsync(_queue), Is.EqualTo(outcomes.Count - 1));
    }

    [Test]
    public async Task Publishing_to_an_exchange_that_nobody_declared_ends_in_unknown_and_not_in_silence()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri, o => o.Topology = TopologyMode.None);
        await using var channel = await OpenAsync(transport);

        var sent = 0;
        for (; sent < 10; sent++)
        {
            try
            {
                await channel.PublishAsync(Message("lost"), sent, CancellationToken.None);
            }
            catch (TransportException)
            {
                break;
            }
        }

        var results = await ResultsAsync(channel, sent);
        Assert.That(results.Select(r => r.Outcome), Is.All.EqualTo(PublishOutcome.Unknown));
        Assert.That(results.Count == 0 || results[0].Reason!.Contains(_exchange, StringComparison.Ordinal), "the reason names the exchange");
        Assert.That(await channel.Results.WaitToReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)), Is.False);
    }

    [Test]
    public async Task Verify_refuses_an_exchange_that_is_missing_and_says_which()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri, o => o.Topology = TopologyMode.Verify);

        Assert.That(() => OpenAsync(transport), Throws.TypeOf<TransportException>().With.Message.Contains(_exchange));
    }

    [Test]
    public async Task Verify_waits_for_a_queue_that_is_made_later()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri, o => o.Topology = TopologyMode.Verify);
        var subscribing = Receiver.OnAsync(transport, Subscription());
        await BindAsync();

        await using var receiver = await subscribing;
        await PublishAsync(transport, Message("hello"));
        Assert.That(Text(await receiver.NextAsync()), Is.EqualTo("hello"));
    }

    [Test]
    public async Task A_queue_that_is_declared_otherwise_is_refused_for_good()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await BindAsync();

        Assert.That(() => Receiver.OnAsync(transport, Subscription()), Throws.TypeOf<TransportException>().With.Property("IsTransient").False.And.Message.Contains(_queue));
    }

    [Test]
    public async Task A_wrong_password_is_refused_for_good_and_is_not_repeated_in_the_error()
    {
        var uri = new UriBuilder(_uri) { UserName = "guest", Password = "s3cret-wrong" }.Uri.ToString();
        await using var transport = TestTransport.CreateRabbitMq(uri);

        var error = Assert.ThrowsAsync<TransportException>(() => OpenAsync(transport));
        Assert.That(error!.IsTransient, Is.False);
        Assert.That(error.ToString(), Does.Not.Contain("s3cret-wrong"));
        Assert.That(error.Message, Does.Contain("user name or password"));
    }

    [Test]
    public async Task A_broker_that_is_away_may_come_back()
    {
        await using var proxy = TcpProxy.To("127.0.0.1", 1);
        await using var transport = TestTransport.CreateRabbitMq($"amqp://guest:guest@127.0.0.1:{proxy.Port}/", o => o.ConnectTimeout = TimeSpan.FromSeconds(2));

        Assert.That(() => OpenAsync(transport), Throws.TypeOf<TransportException>().With.Property("IsTransient").True.And.Message.Contains($"127.0.0.1:{proxy.Port}"));
    }

    [Test]
    public async Task A_deleted_queue_is_declared_and_read_again()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await using var receiver = await Receiver.OnAsync(transport, Subscription());
        await _broker.DeleteQueueAsync(_queue);
        await Eventually.IsTrueAsync(async () => await _broker.CountAsync(_queue) is not null, "the queue is there again");

        await Eventually.IsTrueAsync(() => IsRoutedAsync(transport), "its binding is there again");
        await (await receiver.NextAsync()).AcceptAsync();
    }

    [Test]
    public async Task A_deleted_exchange_is_declared_again_by_the_next_channel()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await using var channel = await OpenAsync(transport);
        await _broker.DeleteExchangeAsync(_exchange);
        await channel.PublishAsync(Message("lost"), 1, CancellationToken.None);
        Assert.That((await ResultsAsync(channel, 1)).Single().Outcome, Is.EqualTo(PublishOutcome.Unknown));

        await using var next = await OpenAsync(transport);
        await next.PublishAsync(Message("unroutable"), 1, CancellationToken.None);
        Assert.That((await ResultsAsync(next, 1)).Single().Outcome, Is.EqualTo(PublishOutcome.Unroutable));
    }

    [Test]
    public async Task A_subscription_survives_a_cut_connection_and_gets_what_was_not_accepted_again()
    {
        var (proxy, uri) = TcpProxy.Before(_uri);
        await using var _ = proxy;
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await using var receiver = await Receiver.OnAsync(transport, Subscription());
        await PublishAsync(transport, Message("held"));
        var held = await receiver.NextAsync();

        proxy.Cut();

        var again = await receiver.NextAsync();
        Assert.That((Text(again), again.Redelivered), Is.EqualTo(("held", true)));
        await held.AcceptAsync();
        await again.AcceptAsync();
        await PublishAsync(transport, Message("next"));
        Assert.That(Text(await receiver.NextAsync()), Is.EqualTo("next"));
    }

    private static Envelope Message(string body) => new()
    {
        MessageId = Guid.CreateVersion7(),
        Type = Type,
        Body = Encoding.UTF8.GetBytes(body),
        Source = "tests",
        CreatedAt = DateTime.UnixEpoch.AddSeconds(1_700_000_000),
    };

    private static string Text(Delivery delivery) => Encoding.UTF8.GetString(delivery.Body.Span);

    private static async Task<List<PublishResult>> ResultsAsync(IPublishChannel channel, int count)
    {
        var results = new List<PublishResult>(count);
        while (results.Count < count)
            results.Add(await channel.Results.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
        return results;
    }

    private SubscriptionOptions Subscription() => new() { Queue = _queue, Exchange = _exchange, Types = [Type] };

    /// <summary>A plain quorum queue, without a consumer.</summary>
    private async Task BindAsync()
    {
        await _broker.DeclareExchangeAsync(_exchange);
        await _broker.DeclareQueueAsync(_queue, _exchange, Type);
    }

    private Task<IPublishChannel> OpenAsync(RabbitMqTransport transport, int window = 1_024) =>
        transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = _exchange, Window = window }, CancellationToken.None);

    private async Task PublishAsync(RabbitMqTransport transport, Envelope message)
    {
        await using var channel = await OpenAsync(transport);
        await channel.PublishAsync(message, 1, CancellationToken.None);
        Assert.That((await ResultsAsync(channel, 1)).Single().Outcome, Is.EqualTo(PublishOutcome.Confirmed));
    }

    private async Task<bool> IsRoutedAsync(RabbitMqTransport transport)
    {
        await using var channel = await OpenAsync(transport);
        await channel.PublishAsync(Message("probe"), 1, CancellationToken.None);
        return (await ResultsAsync(channel, 1)).Single().Outcome == PublishOutcome.Confirmed;
    }
}
