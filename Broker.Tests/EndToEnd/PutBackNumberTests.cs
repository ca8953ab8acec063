using System.Globalization;
using System.Text;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>A message with a number that an operator has put back, and processes that have read its row at different times.</summary>
[TestFixtureSource(typeof(SqlDialect), nameof(SqlDialect.All))]
internal sealed class PutBackNumberTests(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(TestTransport.InMemory, dialect);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task What_was_put_back_and_waits_for_its_turn_is_not_taken_for_one_that_need_not_wait()
    {
        var services = new ServiceCollection().AddSingleton(_bench.Script).AddTransient<OrderPlacedByAdoNetHandler>().BuildServiceProvider();
        await using var _ = services;
        var outbox = new OutboxRegistration(new OutboxOptions { Source = "stock" }, contextType: null, _ => _bench.Database.DataSource);
        outbox.Options.MessageTypes.Add<OrderPlaced>();
        var options = new ConsumerOptions { Name = ConsumerBench.Consumer, ByKeySequence = true };
        var processor = new MessageProcessor(options, outbox, new Dictionary<string, MessageHandlerInvoker> { ["orders.order-placed.v1"] = MessageHandlerInvoker.For<OrderPlaced, OrderPlacedByAdoNetHandler>() }, services, new PreparedStatements(outbox.Dialect(services)));
        // Set aside before its turn, and put back.
        var second = new IncomingMessage(Numbered(2));
        await processor.SetBackAsync(second, new RejectMessageException("not yet known"), None);
        await using (var connection = await _bench.Database.DataSource.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync(SqlDialect.Of(connection).ConsumerIsolation))
        {
            await processor.Deferred.PutBehindAsync(transaction, [(second.MessageId!.Value, Numbered(2, second.MessageId))], None);
            await transaction.CommitAsync();
        }
        var (now, stale) = (await OnlyRowAsync(), await OnlyRowAsync());

        Assert.That((await processor.ApplyAsync(now, null, None)).Outcome, Is.EqualTo(BatchOutcome.Behind));
        Assert.That((await processor.ApplyAsync(stale, null, None)).Outcome, Is.EqualTo(BatchOutcome.NotOurs), "as it was read before");
        Assert.That((await processor.ApplyAsync(new IncomingMessage(Numbered(1)), null, None)).Outcome, Is.EqualTo(BatchOutcome.Applied));
        Assert.That((await processor.ApplyAsync(await OnlyRowAsync(), null, None)).Outcome, Is.EqualTo(BatchOutcome.Applied));
        Assert.That(_bench.Script.Calls.Select(c => c.Number), Is.EqualTo(new[] { "1", "2" }));

        async Task<IncomingMessage> OnlyRowAsync()
        {
            await using var connection = await _bench.Database.DataSource.OpenConnectionAsync();
            return (await processor.Deferred.ListAsync(connection, [], 10, None)).Single().Message;
        }

        static DeferredDelivery Numbered(int number, Guid? id = null) => new()
        {
            MessageId = (id ?? Guid.CreateVersion7()).ToString("D"),
            Type = "orders.order-placed.v1",
            Body = Encoding.UTF8.GetBytes($$"""{"number":"{{number}}"}"""),
            Headers = new Dictionary<string, string> { ["cloudEvents:partitionkey"] = "a", ["cloudEvents:sequence"] = number.ToString(CultureInfo.InvariantCulture) },
        };
    }
}
