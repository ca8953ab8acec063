using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.RabbitMQ;

namespace Broker.Tests.Unit;

/// <summary>A wrong setting is refused at start, and the error says which one and what to write instead.</summary>
internal sealed class OptionsTests
{
    [TestCase("Orders")]
    [TestCase("orders_1")]
    [TestCase("-orders")]
    [TestCase("")]
    public void A_source_has_a_lower_case_name(string source) => Refused(o => o.Options.Source = source, "Source");

    [Test]
    public void An_exchange_has_a_name() => Refused(o => o.Options.Exchange = "", "Exchange");

    [Test]
    public void Two_outboxes_have_two_names() => Assert.That(
        () => new ServiceCollection().AddOutbox("a", _ => null!, _ => { }).AddOutbox("a", _ => null!, _ => { }),
        Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("'a'").And.Message.Contains("outbox.Source("));

    [Test]
    public void A_source_is_named_before_its_transport() => Refused(o => o.UseInMemory().Source("later"), "later", "before");

    [Test]
    public void An_outbox_has_one_transport() => Refused(o => o.UseInMemory().UseInMemory(), "two transports");

    [Test]
    public void The_source_is_named_after_its_context() => Assert.That(SourceOf<CustomerOrdersDbContext>(), Is.EqualTo("customer-orders"));

    [Test]
    public void A_batch_is_of_1_to_2000_messages_and_fits_into_the_prefetch()
    {
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Batch(0)), "BatchSize");
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Batch(2_001)), "BatchSize");
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Batch(500).Options.Prefetch = 499), "Prefetch (499)", "BatchSize (500)");
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Batch(500, TimeSpan.FromMinutes(2))), "Linger");
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Batch(500, TimeSpan.FromTicks(-1))), "Linger");
    }

    [Test]
    public void Without_being_told_a_consumer_prefetches_what_its_batches_need()
    {
        var options = new ConsumerOptions();
        Assert.That((options.BatchSize, options.Prefetch), Is.EqualTo((1, 256)));
        (options.BatchSize, options.Concurrency) = (500, 4);
        Assert.That(options.Prefetch, Is.EqualTo(2_500), "one batch for each worker, and one that arrives");
        options.PreferBatches();
        Assert.That(options.BatchSize, Is.EqualTo(500));
        options = new ConsumerOptions();
        options.PreferBatches();
        Assert.That(options.BatchSize, Is.EqualTo(500));
    }

    [Test]
    public void Partitions_are_1_to_64_and_need_the_order_of_keys()
    {
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Partitions(0)), "Partitions");
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Partitions(65)), "Partitions");
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().InAnyOrder(4).Partitions(8)), "Partitions (8)", "KeepOrder", "InOrderPerKey");
    }

    [Test]
    public void A_consumer_handles_something() => Refused(o => o.AddConsumer("stock", _ => { }), "stock", ".Handle<");

    [Test]
    public void A_consumer_has_one_handler_for_a_type() => Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>().Handle<OrderPlaced, Handler>()), "stock", "orders.order-placed.v1");

    [Test]
    public void A_handled_class_has_a_name() => Refused(o => o.AddConsumer("stock", c => c.Handle<Nameless, Handler>()), "[MessageType(");

    [Test]
    public void Two_consumers_have_two_names() =>
        Refused(o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>()).AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>()), "'stock'");

    [TestCase("")]
    [TestCase("two words")]
    [TestCase("a/b")]
    public void A_consumer_has_a_plain_name(string name) => Refused(o => o.AddConsumer(name, c => c.Handle<OrderPlaced, Handler>()), "onsumer");

    [Test]
    public void A_consumers_numbers_are_checked()
    {
        RefusedConsumer(o => o.Concurrency = 0, "Concurrency");
        RefusedConsumer(o => o.Prefetch = 70_000, "Prefetch");
        RefusedConsumer(o => o.MaxAttempts = 0, "MaxAttempts");
        RefusedConsumer(o => o.RetryDelay = TimeSpan.Zero, "RetryDelay");
        RefusedConsumer(o => o.MaxRetryDelay = TimeSpan.FromMilliseconds(1), "MaxRetryDelay");
        RefusedConsumer(o => o.InboxRetention = TimeSpan.FromSeconds(1), "InboxRetention");
        RefusedConsumer(o => o.Queue = "", "Queue");
    }

    [Test]
    public void A_relays_numbers_are_checked()
    {
        RefusedRelay(o => o.BatchSize = 0, "BatchSize");
        RefusedRelay(o => o.Window = 0, "Window");
        RefusedRelay(o => o.ReadAhead = 0, "ReadAhead");
        RefusedRelay(o => o.MaxWaitingRows = 0, "MaxWaitingRows");
        RefusedRelay(o => o.LeaseDuration = TimeSpan.FromMilliseconds(999), "LeaseDuration");
        RefusedRelay(o => o.IdlePoll = TimeSpan.Zero, "IdlePoll");
        RefusedRelay(o => o.RetryDelay = TimeSpan.Zero, "RetryDelay");
        RefusedRelay(o => o.MaxRetryDelay = TimeSpan.FromMilliseconds(1), "MaxRetryDelay");
        RefusedRelay(o => o.DrainTimeout = TimeSpan.FromSeconds(-1), "DrainTimeout");
    }

    [TestCase(null)]
    [TestCase("")]
    [TestCase("localhost")]
    [TestCase("http://localhost")]
    [TestCase("amqp://")]
    [TestCase("amqp://guest:s3cret@host:99999/")]
    [TestCase("amqp://guest:s3cret@host:0/")]
    public void A_RabbitMQ_URI_that_is_none_is_refused_and_not_repeated(string? uri)
    {
        var error = Assert.Throws<OutboxConfigurationException>(() => new ServiceCollection().AddOutbox("a", _ => null!, o => o.UseRabbitMq(uri!)));

        Assert.That(error!.Message, Does.Contain("amqp://user:password@host:5672/vhost").And.Not.Contain("s3cret"));
    }

    [TestCase("amqp://localhost")]
    [TestCase("amqp://u:p@h:5672/v")]
    [TestCase("amqps://u:p%40@h/%2F")]
    public void A_RabbitMQ_URI_is_taken(string uri) => Assert.That(() => new ServiceCollection().AddOutbox("a", _ => null!, o => o.UseRabbitMq(uri)), Throws.Nothing);

    [Test]
    public void RabbitMQ_settings_are_checked() => Assert.That(
        () => new ServiceCollection().AddOutbox("a", _ => null!, o => o.UseRabbitMq("amqp://localhost", r => r.MaxMessageBytes = 0)),
        Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("MaxMessageBytes"));

    [Test]
    public void An_outbox_without_a_transport_says_what_to_add()
    {
        using var services = new ServiceCollection().AddLogging().AddOutbox("a", _ => null!, o => o.AddConsumer("stock", c => c.Handle<OrderPlaced, Handler>())).BuildServiceProvider();

        Assert.That(() => services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().ToList(), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("UseRabbitMq(").And.Message.Contains("UseInMemory()"));
    }

    [Test]
    public void Messages_are_checked_when_they_are_added()
    {
        var factory = new OutboxMessageFactory(new OutboxOptions { Source = "a" });

        Assert.That(() => factory.Create(new OrderPlaced("1"), new MessageOptions { PartitionKey = new string('k', 201) }), Throws.ArgumentException.With.Message.Contains("200"));
        Assert.That(() => factory.Create(new OrderPlaced("1"), new MessageOptions { KeySequence = 1 }), Throws.ArgumentException.With.Message.Contains("partition key"));
        Assert.That(() => factory.Create(new OrderPlaced("1"), new MessageOptions { PartitionKey = "k", KeySequence = 0 }), Throws.ArgumentException);
        foreach (var header in (string[])["", "cloudEvents:id", "CLOUDEVENTS:x", new string('h', 129), new string('ü', 65)])
            Assert.That(() => factory.Create(new OrderPlaced("1"), new MessageOptions { Headers = new Dictionary<string, string> { [header] = "x" } }), Throws.ArgumentException.With.Message.Contains("Header"), header);
    }

    private static void Refused(Action<OutboxBuilder> configure, params string[] parts)
    {
        var error = Assert.Throws<OutboxConfigurationException>(() => new ServiceCollection().AddOutbox("tests", _ => null!, configure))!;
        foreach (var part in parts)
            Assert.That(error.Message, Does.Contain(part));
    }

    private static void RefusedConsumer(Action<ConsumerOptions> configure, string part) => Refused(o => o.AddConsumer("stock", c =>
    {
        c.Handle<OrderPlaced, Handler>();
        configure(c.Options);
    }), "stock", part);

    private static void RefusedRelay(Action<RelayOptions> configure, string part) => Refused(o => o.AddRelay(configure), "tests", part);

    private static string SourceOf<TContext>()
        where TContext : DbContext
    {
        var source = "";
        new ServiceCollection().AddOutbox<TContext>(o => source = o.Options.Source);
        return source;
    }

    private sealed record Nameless;

    private sealed class CustomerOrdersDbContext(DbContextOptions options) : DbContext(options);

    private sealed class Handler : IMessageHandler<OrderPlaced>, IMessageHandler<Nameless>
    {
        public Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task HandleAsync(Nameless message, MessageContext context, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Test]
    public void What_becomes_of_a_key_is_configured_for_all_types_and_for_single_ones()
    {
        var configuration = new Microsoft.Extensions.Configuration.ConfigurationBuilder();
        Microsoft.Extensions.Configuration.MemoryConfigurationBuilderExtensions.AddInMemoryCollection(configuration, new Dictionary<string, string?>
        {
            ["Broker:Sources:orders:Database"] = "Sqlite",
            ["Broker:Sources:orders:ConnectionString"] = "Data Source=orders.db",
            ["Broker:Relay:OnDeadLetter"] = "Continue",
            ["Broker:Relay:OnDeadLetterByType:orders.order-placed.v1"] = "BlockKey",
            ["Broker:Relay:UnroutableTimeout"] = "00:10:00",
        });

        var relay = BrokerConfiguration.Read(configuration.Build(), needsRabbitMq: false).Relay;

        Assert.That((relay.PolicyOf("orders.order-placed.v1"), relay.PolicyOf("orders.other.v1"), relay.UnroutableTimeout), Is.EqualTo((DeadLetterPolicy.BlockKey, DeadLetterPolicy.Continue, TimeSpan.FromMinutes(10))));
    }
}
