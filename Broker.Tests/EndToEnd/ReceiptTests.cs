using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox;
using Outbox.Consumers;
using Outbox.Receipts;

namespace Broker.Tests.EndToEnd;

/// <summary>A publisher learns who has applied its messages: never what is not true, and whatever was stopped meanwhile.</summary>
[TestFixture(Stack.Embedded)]
[TestFixture(Stack.Servers)]
internal sealed class ReceiptTests(Stack stack)
{
    /// <summary>Longer than a test may take: whoever runs into it has failed.</summary>
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    private ReceiptBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ReceiptBench.CreateAsync(stack);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task With_one_of_three_consumers_stopped_a_majority_is_enough_and_all_names_the_missing_one_until_it_is_back()
    {
        await using var publisher = await _bench.StartPublisherAsync();
        await using var stock = await _bench.StartConsumerAsync("stock");
        await using var billing = await _bench.StartConsumerAsync("billing");
        await (await _bench.StartConsumerAsync("shipping")).DisposeAsync();
        var outbox = ReceiptBench.OutboxOf(publisher);

        var majority = await outbox.PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.Majority, Long);
        Assert.That((majority.Outcome, majority.IsFulfilled, Names(majority)), Is.EqualTo((ReceiptOutcome.Fulfilled, true, "billing, stock")));

        var all = await outbox.WhenAppliedAsync(majority.MessageId, AppliedBy.All, Short);
        Assert.That((all.Outcome, all.IsFulfilled, Names(all)), Is.EqualTo((ReceiptOutcome.TimedOut, false, "billing, stock")));
        Assert.That(all.Missing, Is.EqualTo(new[] { "shipping" }));
        Assert.That(all.AppliedBy.Select(a => a.At), Is.All.InRange(TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddMinutes(1)));

        var waiting = outbox.WhenAppliedAsync(majority.MessageId, AppliedBy.All, Long);
        await using var shipping = await _bench.StartConsumerAsync("shipping");
        var complete = await waiting.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That((complete.Outcome, Names(complete), complete.Missing.Count), Is.EqualTo((ReceiptOutcome.Fulfilled, "billing, shipping, stock", 0)));
    }

    [Test]
    public async Task A_refusal_ends_the_wait_that_it_makes_hopeless_and_no_other_and_a_redrive_mends_it()
    {
        await using var publisher = await _bench.StartPublisherAsync();
        await using var stock = await _bench.StartConsumerAsync("stock");
        await using var billing = await _bench.StartConsumerAsync("billing");
        await using var shipping = await _bench.StartConsumerAsync("shipping");
        _bench.Answers.Refuse("billing", "the card is stolen");
        var outbox = ReceiptBench.OutboxOf(publisher);

        var all = await outbox.PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.All, Long).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That((all.Outcome, all.IsFulfilled), Is.EqualTo((ReceiptOutcome.Refused, false)));
        Assert.That(all.Refused.Select(r => (r.Consumer, r.Reason)), Is.EqualTo(new[] { ("billing", "the card is stolen") }));
        var majority = await outbox.WhenAppliedAsync(all.MessageId, AppliedBy.Majority, Long).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That((majority.Outcome, Names(majority)), Is.EqualTo((ReceiptOutcome.Fulfilled, "shipping, stock")));
        var others = await outbox.WhenAppliedAsync(all.MessageId, AppliedBy.Consumers("stock", "shipping"), Long).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(others.IsFulfilled, Is.True);

        _bench.Answers.Accept("billing");
        await _bench.RedeliverAsync("billing", all.MessageId, "1");
        var billed = _bench.Database.CountAsync;
        await Eventually.EqualsAsync(() => billed("receipts WHERE outcome = 'applied'"), 3, "the redrive is told");
        var mended = await outbox.WhenAppliedAsync(all.MessageId, AppliedBy.All, TimeSpan.Zero);
        Assert.That((mended.Outcome, Names(mended), mended.Refused.Count), Is.EqualTo((ReceiptOutcome.Fulfilled, "billing, shipping, stock", 0)));
    }

    [Test]
    public async Task A_message_of_the_caller_s_own_transaction_can_be_waited_for_after_a_restart()
    {
        Guid id;
        await using (var publisher = await _bench.StartPublisherAsync(withRelay: false))
        {
            await (await _bench.StartConsumerAsync("stock")).DisposeAsync();
            using var scope = publisher.Services.CreateScope();
            var orders = scope.ServiceProvider.GetRequiredService<OrdersContext>();
            orders.Orders.Add(new Order { Number = "1" });
            id = orders.Outbox().Add(new OrderPlaced("1"), new MessageOptions { WantsReceipt = true });
            await orders.SaveChangesAsync();
            Assert.That(orders.ChangeTracker.Entries().Select(e => e.Entity), Is.All.InstanceOf<Order>(), "a long-lived context does not collect what it has written");
            var early = await ReceiptBench.OutboxOf(publisher).WhenAppliedAsync(id, AppliedBy.All, Short);
            Assert.That((early.Outcome, early.Missing.Single()), Is.EqualTo((ReceiptOutcome.TimedOut, "stock")));
        }

        await using var next = await _bench.StartPublisherAsync();
        var waiting = ReceiptBench.OutboxOf(next).WhenAppliedAsync(id, AppliedBy.All, Long);
        await using var stock = await _bench.StartConsumerAsync("stock");
        Assert.That(Names(await waiting.WaitAsync(TimeSpan.FromSeconds(60))), Is.EqualTo("stock"));
    }

    [Test]
    public async Task Every_process_of_the_service_learns_of_a_receipt_that_one_of_them_received()
    {
        await using var first = await _bench.StartPublisherAsync();
        await using var second = await _bench.StartPublisherAsync(withRelay: false);
        await using var stock = await _bench.StartConsumerAsync("stock");

        var receipt = await ReceiptBench.OutboxOf(second).PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.All, Long).WaitAsync(TimeSpan.FromSeconds(60));
        var again = await ReceiptBench.OutboxOf(first).WhenAppliedAsync(receipt.MessageId, AppliedBy.All, Long).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.That((receipt.IsFulfilled, again.IsFulfilled), Is.EqualTo((true, true)));
    }

    [Test]
    public async Task A_message_that_arrives_twice_has_one_receipt_and_one_without_the_wish_none()
    {
        await using var publisher = await _bench.StartPublisherAsync();
        await using var stock = await _bench.StartConsumerAsync("stock", batch: 10);
        var receipt = await ReceiptBench.OutboxOf(publisher).PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.All, Long);
        await _bench.RedeliverAsync("stock", receipt.MessageId, "1");
        using (var scope = publisher.Services.CreateScope())
        {
            var orders = scope.ServiceProvider.GetRequiredService<OrdersContext>();
            orders.Outbox().Add(new OrderPlaced("2"));
            await orders.SaveChangesAsync();
        }
        var last = await ReceiptBench.OutboxOf(publisher).PublishAndWaitAsync(new OrderPlaced("3"), AppliedBy.All, Long);
        await Eventually.EqualsAsync(async () => await (await _bench.DatabaseOfAsync("stock")).CountAsync("inbox_messages"), 3, "all are applied");
        await Eventually.EqualsAsync(async () => await (await _bench.DatabaseOfAsync("stock")).CountAsync("outbox_messages"), 0, "all receipts have left");

        Assert.That(last.IsFulfilled, Is.True);
        Assert.That(await _bench.Database.CountAsync("receipts"), Is.EqualTo(2));
        Assert.That(await _bench.Database.CountAsync($"inbox_messages WHERE consumer = '{_bench.Source}.receipts'"), Is.EqualTo(2), "no second receipt was ever written");
        Assert.That(await _bench.Database.CountAsync("receipt_requests"), Is.EqualTo(2));
    }

    [Test]
    public async Task Receipts_come_from_a_service_that_publishes_to_another_exchange()
    {
        var other = TestServers.NewName("other");
        await using var publisher = await _bench.StartPublisherAsync(configure: receipts =>
        {
            receipts.Exchanges.Add(_bench.Exchange);
            receipts.Exchanges.Add(other);
        });
        await publisher.ConsumerStartedAsync($"{_bench.Source}.receipts.{other}");
        await using var stock = await _bench.StartConsumerAsync("stock");
        await using var billing = await _bench.StartConsumerAsync("billing", exchange: other);

        var receipt = await ReceiptBench.OutboxOf(publisher).PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.All, Long).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.That(Names(receipt), Is.EqualTo("billing, stock"));
    }

    [Test]
    public async Task Without_a_known_consumer_or_a_known_message_the_wait_ends_by_its_time_and_says_so()
    {
        await using var publisher = await _bench.StartPublisherAsync(withRelay: false);
        var outbox = ReceiptBench.OutboxOf(publisher);

        var nobody = await outbox.PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.Majority, Short);
        var named = await outbox.WhenAppliedAsync(nobody.MessageId, AppliedBy.Consumers("stock"), TimeSpan.Zero);
        var unknown = await outbox.WhenAppliedAsync(Guid.CreateVersion7(), AppliedBy.All, TimeSpan.Zero);

        Assert.That((nobody.Outcome, named.Outcome, unknown.Outcome), Is.EqualTo((ReceiptOutcome.NoConsumers, ReceiptOutcome.TimedOut, ReceiptOutcome.NotRequested)));
        Assert.That(named.Missing, Is.EqualTo(new[] { "stock" }));
    }

    [Test]
    public async Task Many_wait_at_once_each_for_its_own_and_a_wait_can_be_cancelled()
    {
        await using var publisher = await _bench.StartPublisherAsync();
        await using var stock = await _bench.StartConsumerAsync("stock", batch: 100);
        var outbox = ReceiptBench.OutboxOf(publisher);
        using var cancelled = new CancellationTokenSource();
        var forever = outbox.WhenAppliedAsync(Guid.CreateVersion7(), AppliedBy.All, Timeout.InfiniteTimeSpan, cancelled.Token);

        var ids = new List<Guid>();
        await using (var connection = await _bench.Database.DataSource.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            for (var i = 0; i < 700; i++)
                ids.Add(await outbox.AddAsync(transaction, new OrderPlaced($"{i}"), new MessageOptions { WantsReceipt = true }));
            await outbox.CommitAsync(transaction);
        }
        var receipts = await Task.WhenAll(ids.Select(id => outbox.WhenAppliedAsync(id, AppliedBy.All, Long))).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.That(receipts.Select(r => r.MessageId), Is.EqualTo(ids));
        Assert.That(receipts, Is.All.Matches<Receipt>(r => r.IsFulfilled));
        Assert.That(forever.IsCompleted, Is.False);
        await cancelled.CancelAsync();
        Assert.That(async () => await forever, Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase("inbox inserted", 0)]
    [TestCase("handled", 0)]
    [TestCase("saved", 0)]
    [TestCase("receipts written", 0)]
    [TestCase("committed", 1)]
    public async Task A_consumer_that_dies_leaves_a_receipt_if_and_only_if_it_has_applied_the_message(string step, int applied)
    {
        await using var publisher = await _bench.StartPublisherAsync();
        var stock = await _bench.DatabaseOfAsync("stock");
        var id = await DieAtAsync(step, publisher);
        Assert.That(await stock.CountAsync("inbox_messages"), Is.EqualTo(applied));
        Assert.That(await stock.CountAsync($"outbox_messages WHERE type = 'outbox.receipt.{_bench.Source}.v1'"), Is.EqualTo(applied), "receipt and effect are one");

        _bench.Steps = new TestSteps();
        await using var next = await _bench.StartConsumerAsync("stock");
        var receipt = await ReceiptBench.OutboxOf(publisher).WhenAppliedAsync(id, AppliedBy.All, Long).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(Names(receipt), Is.EqualTo("stock"));
        Assert.That(_bench.Answers.Calls, Has.Count.EqualTo(applied == 1 || step == "inbox inserted" ? 1 : 2));
        Assert.That(await _bench.Database.CountAsync("receipts"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_consumer_that_dies_beside_its_dead_letter_leaves_neither_that_nor_a_receipt_or_both()
    {
        await using var publisher = await _bench.StartPublisherAsync();
        var stock = await _bench.DatabaseOfAsync("stock");
        _bench.Answers.Refuse("stock", "never");
        var id = await DieAtAsync("dead letter written", publisher);
        Assert.That(await stock.CountAsync("dead_letters"), Is.Zero);
        Assert.That(await stock.CountAsync("outbox_messages"), Is.Zero);

        _bench.Steps = new TestSteps();
        await using var next = await _bench.StartConsumerAsync("stock");
        var receipt = await ReceiptBench.OutboxOf(publisher).WhenAppliedAsync(id, AppliedBy.All, Long).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That((receipt.Outcome, receipt.Refused.Single().Reason), Is.EqualTo((ReceiptOutcome.Refused, "never")));
        Assert.That(await stock.CountAsync("dead_letters"), Is.EqualTo(1));
    }

    /// <summary>Starts a consumer without a relay, gives it a message, and ends it at the step, without accepting anything.</summary>
    private async Task<Guid> DieAtAsync(string step, TestHost publisher)
    {
        var died = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        ConsumerService? service = null;
        _bench.Steps.On(step, () =>
        {
            died.TrySetResult(service!.StopAsync(CancellationToken.None));
            throw new OperationCanceledException();
        });
        await using var host = await _bench.StartConsumerAsync("stock", withRelay: false);
        service = host.Services.GetServices<IHostedService>().OfType<ConsumerService>().Single();
        var early = await ReceiptBench.OutboxOf(publisher).PublishAndWaitAsync(new OrderPlaced("1"), AppliedBy.All, TimeSpan.Zero);
        await (await died.Task.WaitAsync(TimeSpan.FromSeconds(60)));
        return early.MessageId;
    }

    private static string Names(Receipt receipt) => string.Join(", ", receipt.AppliedBy.Select(a => a.Consumer).Order(StringComparer.Ordinal));
}
