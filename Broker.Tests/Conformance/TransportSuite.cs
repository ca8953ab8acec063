using System.Text;
using Broker.Tests.Support;
using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>What relays and consumers rely on, whatever carries the messages. A provider's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class TransportSuite(TestTransport provider)
{
    private const string Type = "tests.something.v1";

    private ITransport _transport = null!;
    private string _exchange = "";
    private string _queue = "";

    [SetUp]
    public async Task Prepare()
    {
        _transport = await provider.CreateAsync();
        (_exchange, _queue) = (TestServers.NewName("exchange"), TestServers.NewName("queue"));
    }

    [TearDown]
    public ValueTask Close() => _transport?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_message_is_confirmed_when_a_queue_takes_it()
    {
        await using var receiver = await SubscribeAsync();
        await using var channel = await OpenAsync();

        await channel.PublishAsync(Message("hello"), 7, CancellationToken.None);

        Assert.That(await ResultAsync(channel), Is.EqualTo(new PublishResult(7, PublishOutcome.Confirmed)));
        Assert.That(Text(await receiver.NextAsync()), Is.EqualTo("hello"));
    }

    [Test]
    public async Task A_message_that_no_queue_is_bound_for_comes_back_as_unroutable_with_a_reason()
    {
        await using var receiver = await SubscribeAsync();
        await using var channel = await OpenAsync();

        await channel.PublishAsync(Message("lost", type: "tests.other.v1"), 1, CancellationToken.None);
        var result = await ResultAsync(channel);

        Assert.That(result.Outcome, Is.EqualTo(PublishOutcome.Unroutable));
        Assert.That(result.Reason, Does.Contain(_exchange).And.Contain("tests.other.v1"));
    }

    [Test]
    public async Task An_unroutable_message_is_confirmed_once_a_queue_is_bound()
    {
        await using var channel = await OpenAsync();
        await channel.PublishAsync(Message("1"), 1, CancellationToken.None);
        Assert.That((await ResultAsync(channel)).Outcome, Is.EqualTo(PublishOutcome.Unroutable));

        await using var receiver = await SubscribeAsync();
        await channel.PublishAsync(Message("2"), 2, CancellationToken.None);

        Assert.That((await ResultAsync(channel)).Outcome, Is.EqualTo(PublishOutcome.Confirmed));
        Assert.That(Text(await receiver.NextAsync()), Is.EqualTo("2"));
    }

    [Test]
    public async Task Every_ticket_comes_back_exactly_once_with_its_own_fate()
    {
        await using var receiver = await SubscribeAsync(prefetch: 1_000);
        await using var channel = await OpenAsync(window: 32);
        var results = ResultsAsync(channel, 600);

        for (var i = 0; i < 600; i++)
            await channel.PublishAsync(Message($"{i}", type: i % 3 == 0 ? "tests.other.v1" : Type), i, CancellationToken.None);

        var outcomes = (await results).ToDictionary(r => r.Ticket, r => r.Outcome);
        Assert.That(outcomes.Keys.Order(), Is.EqualTo(Enumerable.Range(0, 600)));
        Assert.That(outcomes, Has.All.Matches<KeyValuePair<long, PublishOutcome>>(o => o.Value == (o.Key % 3 == 0 ? PublishOutcome.Unroutable : PublishOutcome.Confirmed)));
        await channel.DisposeAsync();
        Assert.That(await channel.Results.WaitToReadAsync(), Is.False, "no ticket comes back twice");
    }

    [Test]
    public async Task More_messages_than_the_window_holds_are_all_delivered_in_their_order()
    {
        await using var receiver = await SubscribeAsync(prefetch: 1_000);
        await using var channel = await OpenAsync(window: 8);
        var results = ResultsAsync(channel, 500);

        for (var i = 0; i < 500; i++)
            await channel.PublishAsync(Message($"{i}"), i, CancellationToken.None);

        Assert.That((await results).Select(r => r.Outcome), Is.All.EqualTo(PublishOutcome.Confirmed));
        Assert.That((await receiver.NextAsync(500)).Select(Text), Is.EqualTo(Enumerable.Range(0, 500).Select(i => $"{i}")));
    }

    [Test]
    public async Task A_body_may_be_reused_as_soon_as_the_call_has_completed()
    {
        await using var receiver = await SubscribeAsync();
        await using var channel = await OpenAsync();
        var buffer = new byte[1];

        for (var i = 0; i < 100; i++)
        {
            buffer[0] = (byte)i;
            await channel.PublishAsync(new Envelope { MessageId = Guid.CreateVersion7(), Type = Type, Body = buffer }, i, CancellationToken.None);
        }

        Assert.That((await receiver.NextAsync(100)).Select(d => d.Body.Span[0]), Is.EqualTo(Enumerable.Range(0, 100)));
    }

    [Test]
    public async Task Publishing_on_a_disposed_channel_says_that_it_is_lost()
    {
        var channel = await OpenAsync();
        await channel.DisposeAsync();

        Assert.That(async () => await channel.PublishAsync(Message("late"), 1, CancellationToken.None), Throws.TypeOf<TransportException>().With.Property("IsTransient").True);
    }

    [Test]
    public async Task Each_bound_queue_gets_a_copy()
    {
        await using var first = await SubscribeAsync();
        await using var second = await SubscribeAsync(queue: TestServers.NewName("queue"));
        await PublishAsync("copy");

        Assert.That(Text(await first.NextAsync()), Is.EqualTo("copy"));
        Assert.That(Text(await second.NextAsync()), Is.EqualTo("copy"));
    }

    [Test]
    public async Task A_queue_bound_by_several_patterns_gets_one_copy()
    {
        await using var receiver = await SubscribeAsync(types: [Type, "tests.#", "*.something.*"]);
        await PublishAsync("once", "marker");

        Assert.That((await receiver.NextAsync(2)).Select(Text), Is.EqualTo(new[] { "once", "marker" }));
    }

    [TestCase("orders.order-placed.v1", "orders.order-placed.v1", true)]
    [TestCase("orders.*.v1", "orders.order-placed.v1", true)]
    [TestCase("orders.*", "orders.order-placed.v1", false)]
    [TestCase("orders.#", "orders.order-placed.v1", true)]
    [TestCase("orders.#", "orders", true)]
    [TestCase("#", "anything.at.all", true)]
    [TestCase("#.v1", "orders.order-placed.v1", true)]
    [TestCase("*.order-placed.v1", "orders.order-placed.v2", false)]
    public async Task Topic_patterns_route_as_in_amqp(string pattern, string type, bool matches)
    {
        await using var receiver = await SubscribeAsync(types: [pattern]);
        await using var channel = await OpenAsync();

        await channel.PublishAsync(Message("routed", type: type), 1, CancellationToken.None);

        Assert.That((await ResultAsync(channel)).Outcome, Is.EqualTo(matches ? PublishOutcome.Confirmed : PublishOutcome.Unroutable));
    }

    [Test]
    public async Task An_accepted_message_does_not_come_again()
    {
        await using (var receiver = await SubscribeAsync())
        {
            await PublishAsync("accepted");
            await (await receiver.NextAsync()).AcceptAsync();
        }
        await using var again = await SubscribeAsync();
        await PublishAsync("next");

        Assert.That(Text(await again.NextAsync()), Is.EqualTo("next"));
    }

    [Test]
    public async Task A_requeued_message_comes_again_marked_as_redelivered()
    {
        await using var receiver = await SubscribeAsync();
        await PublishAsync("again");
        var first = await receiver.NextAsync();
        await first.RequeueAsync();
        var second = await receiver.NextAsync();

        Assert.That((first.Redelivered, second.Redelivered), Is.EqualTo((false, true)));
        Assert.That((Text(second), second.MessageId), Is.EqualTo((Text(first), first.MessageId)));
    }

    [Test]
    public async Task A_rejected_message_moves_to_the_dead_letter_queue()
    {
        await using var receiver = await SubscribeAsync();
        await PublishAsync("bad", "good");
        await (await receiver.NextAsync()).RejectAsync();
        await (await receiver.NextAsync()).AcceptAsync();

        string? dead = null;
        await Eventually.IsTrueAsync(async () => (dead = await provider.TakeAsync(_transport, _queue + ".dead")) is not null, "the rejected message is in the dead-letter queue");
        Assert.That(dead, Is.EqualTo("bad"));
    }

    [Test]
    public async Task What_was_not_accepted_comes_again_in_order_after_the_subscription_ends()
    {
        await using (var receiver = await SubscribeAsync())
        {
            await PublishAsync("1", "2", "3");
            var deliveries = await receiver.NextAsync(3);
            await deliveries[1].AcceptAsync();
        }
        await using var again = await SubscribeAsync();
        var redelivered = await again.NextAsync(2);

        Assert.That(redelivered.Select(Text), Is.EqualTo(new[] { "1", "3" }));
        Assert.That(redelivered.Select(d => d.Redelivered), Is.All.True);
    }

    [Test]
    public async Task Settling_a_delivery_of_an_ended_subscription_does_nothing()
    {
        Delivery late;
        await using (var receiver = await SubscribeAsync())
        {
            await PublishAsync("late");
            late = await receiver.NextAsync();
        }
        await late.AcceptAsync();
        await late.RejectAsync();
        await using var again = await SubscribeAsync();

        Assert.That(Text(await again.NextAsync()), Is.EqualTo("late"));
    }

    [Test]
    public async Task No_more_than_the_prefetch_count_is_handed_over_at_once()
    {
        await using var first = await SubscribeAsync(prefetch: 2, single: false);
        await PublishAsync("1", "2", "3", "4");
        var held = await first.NextAsync(2);
        await using var second = await SubscribeAsync(prefetch: 2, single: false);

        Assert.That((await second.NextAsync(2)).Select(Text), Is.EqualTo(new[] { "3", "4" }), "the first subscription has left them");
        Assert.That(first.TryNext(out _), Is.False);
        await PublishAsync("5");
        await held[0].AcceptAsync();
        Assert.That(Text(await first.NextAsync()), Is.EqualTo("5"), "a place was free again");
    }

    [Test]
    public async Task A_second_subscriber_stands_by_and_takes_over_when_the_first_one_ends()
    {
        var first = await SubscribeAsync(prefetch: 1);
        await using var second = await SubscribeAsync(prefetch: 1);
        await PublishAsync("1", "2");
        var held = await first.NextAsync();
        await held.AcceptAsync();
        Assert.That(Text(await first.NextAsync()), Is.EqualTo("2"), "the first one goes on although the second one is idle");
        Assert.That(second.TryNext(out _), Is.False);

        await first.DisposeAsync();

        var taken = await second.NextAsync();
        Assert.That((Text(taken), taken.Redelivered), Is.EqualTo(("2", true)));
    }

    [Test]
    public async Task Subscribers_share_the_work_when_none_is_single()
    {
        await using var first = await SubscribeAsync(prefetch: 1, single: false);
        await using var second = await SubscribeAsync(prefetch: 1, single: false);
        await PublishAsync("1", "2");

        Assert.That(new[] { Text(await first.NextAsync()), Text(await second.NextAsync()) }, Is.EquivalentTo(new[] { "1", "2" }));
    }

    [Test]
    public async Task Properties_headers_and_CloudEvents_attributes_arrive_as_they_were_written()
    {
        await using var receiver = await SubscribeAsync();
        await using var channel = await OpenAsync();
        var envelope = new Envelope
        {
            MessageId = Guid.CreateVersion7(),
            Type = Type,
            Body = "{}"u8.ToArray(),
            ContentType = "application/x-test",
            PartitionKey = "kündigung-ÿ-日本",
            KeySequence = 42,
            Source = "orders",
            CreatedAt = new DateTime(2024, 2, 29, 12, 34, 56, 789, DateTimeKind.Utc),
            Headers = new Dictionary<string, string> { ["tenant"] = "Zürich 😀", ["empty"] = "", ["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
        };

        await channel.PublishAsync(envelope, 1, CancellationToken.None);
        var delivery = await receiver.NextAsync();

        Assert.Multiple(() =>
        {
            Assert.That(delivery.MessageId, Is.EqualTo(envelope.MessageId.ToString("D")));
            Assert.That(delivery.Type, Is.EqualTo(Type));
            Assert.That(delivery.ContentType, Is.EqualTo("application/x-test"));
            Assert.That(delivery.Exchange, Is.EqualTo(_exchange));
            Assert.That(delivery.RoutingKey, Is.EqualTo(Type));
            Assert.That(delivery.Redelivered, Is.False);
            Assert.That(delivery.Headers, Is.EquivalentTo(new Dictionary<string, string>(envelope.Headers)
            {
                ["cloudEvents:specversion"] = "1.0",
                ["cloudEvents:id"] = envelope.MessageId.ToString("D"),
                ["cloudEvents:source"] = "orders",
                ["cloudEvents:type"] = Type,
                ["cloudEvents:time"] = "2024-02-29T12:34:56.789Z",
                ["cloudEvents:partitionkey"] = "kündigung-ÿ-日本",
                ["cloudEvents:sequence"] = "42",
            }));
        });
    }

    [Test]
    public async Task A_message_without_a_key_carries_no_key_and_no_sequence()
    {
        await using var receiver = await SubscribeAsync();
        await PublishAsync("plain");

        var delivery = await receiver.NextAsync();
        Assert.That(delivery.Headers.Keys, Has.None.EqualTo(MessageHeaders.PartitionKey).And.None.EqualTo(MessageHeaders.KeySequence));
    }

    [TestCase(0)]
    [TestCase(5 * 1024 * 1024)]
    public async Task Bodies_of_any_size_arrive_unchanged(int size)
    {
        await using var receiver = await SubscribeAsync();
        await using var channel = await OpenAsync();
        var body = new byte[size];
        new Random(1).NextBytes(body);

        await channel.PublishAsync(new Envelope { MessageId = Guid.CreateVersion7(), Type = Type, Body = body }, 1, CancellationToken.None);

        Assert.That((await ResultAsync(channel)).Outcome, Is.EqualTo(PublishOutcome.Confirmed));
        Assert.That((await receiver.NextAsync()).Body.Span.SequenceEqual(body));
    }

    [Test]
    public async Task A_channel_of_a_queue_reaches_that_queue_alone_whatever_the_type()
    {
        await using var receiver = await SubscribeAsync(types: ["tests.other.v1"]);
        await using var bystander = await SubscribeAsync(queue: TestServers.NewName("queue"), types: ["#"]);
        await using var channel = await _transport.OpenPublishChannelAsync(new PublishChannelOptions { Queue = _queue }, CancellationToken.None);

        await channel.PublishAsync(Message("direct"), 7, CancellationToken.None);

        Assert.That(await ResultAsync(channel), Is.EqualTo(new PublishResult(7, PublishOutcome.Confirmed)));
        var delivery = await receiver.NextAsync();
        Assert.That((Text(delivery), delivery.Type), Is.EqualTo(("direct", Type)));
        Assert.That(bystander.TryNext(out _), Is.False);
    }

    [Test]
    public void A_channel_of_a_queue_that_is_not_there_is_refused_for_good() =>
        Assert.That(
            async () => await _transport.OpenPublishChannelAsync(new PublishChannelOptions { Queue = _queue }, CancellationToken.None),
            Throws.TypeOf<TransportException>().With.Message.Contains(_queue).And.Property(nameof(TransportException.IsTransient)).False);

    private static Envelope Message(string body, string type = Type) => new() { MessageId = Guid.CreateVersion7(), Type = type, Body = Encoding.UTF8.GetBytes(body), Source = "tests" };

    private static string Text(Delivery delivery) => Encoding.UTF8.GetString(delivery.Body.Span);

    private static Task<PublishResult> ResultAsync(IPublishChannel channel) => channel.Results.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

    private static async Task<List<PublishResult>> ResultsAsync(IPublishChannel channel, int count)
    {
        var results = new List<PublishResult>(count);
        while (results.Count < count)
            results.Add(await ResultAsync(channel));
        return results;
    }

    private Task<IPublishChannel> OpenAsync(int window = 1_024) =>
        _transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = _exchange, Window = window }, CancellationToken.None);

    private Task<Receiver> SubscribeAsync(string? queue = null, string[]? types = null, ushort prefetch = 256, bool single = true) => Receiver.OnAsync(
        _transport, new SubscriptionOptions { Queue = queue ?? _queue, Exchange = _exchange, Types = types ?? [Type], Prefetch = prefetch, SingleActiveConsumer = single });

    /// <summary>Publishes in order and waits for the confirms.</summary>
    private async Task PublishAsync(params string[] bodies)
    {
        await using var channel = await OpenAsync();
        for (var i = 0; i < bodies.Length; i++)
            await channel.PublishAsync(Message(bodies[i]), i, CancellationToken.None);
        Assert.That((await ResultsAsync(channel, bodies.Length)).Select(r => r.Outcome), Is.All.EqualTo(PublishOutcome.Confirmed));
    }
}
