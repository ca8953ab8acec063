using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Testing;

namespace Broker.Tests.Docs;

/// <summary>The code that docs/testing.md shows, run. DocumentationTests holds the two together.</summary>
internal sealed class TestingExamples
{
    private string _folder = "";

    [SetUp]
    public void Prepare() => _folder = TestServers.Folder;

    private Task<OutboxHarness> StartAsync() => OutboxHarness.StartAsync(services =>
    {
        services.AddDbContext<OrdersContext>(o => o.UseSqlite($"Data Source={_folder}/orders.db"));
        services.AddDbContext<StockContext>(o => o.UseSqlite($"Data Source={_folder}/stock.db"));
        services.AddOutbox<OrdersContext>(_ => { });
        services.AddOutbox<StockContext>(outbox => outbox
            .AddConsumer("stock", consumer => consumer.Handle<OrderPlaced, ReserveStock>()));
    });

    [Test]
    public async Task An_order_reserves_stock()
    {
        await using var harness = await StartAsync();
        await FillStockAsync(harness, "apple", 10);

        var order = new Order { Sku = "apple", Quantity = 3 };
        await PlaceAsync(harness, order);
        await harness.DrainedAsync();

        Assert.That(harness.AppliedBy<OrderPlaced>("stock"), Has.One.Matches<OrderPlaced>(e => e.OrderId == order.Id));
        Assert.That(harness.Published<StockReserved>(), Has.One.Matches<StockReserved>(e => e.OrderId == order.Id));
        Assert.That(await StockAsync(harness, "apple"), Is.EqualTo(7));
    }

    [Test]
    public async Task Stock_is_reserved_once_whatever_happens_on_the_way()
    {
        await using var harness = await StartAsync();
        await FillStockAsync(harness, "apple", 1_000);
        harness.Faults.Duplicate(0.5);
        harness.Faults.Reorder(10);
        harness.Faults.LoseAccepts(5);
        harness.Faults.RefusePublishes(3);

        for (var i = 0; i < 30; i++)
            await PlaceAsync(harness, new Order { Sku = "apple", Quantity = 2 });
        await harness.Faults.DropConnectionsAsync();
        await harness.DrainedAsync();
        await harness.RedeliverEverythingAsync();

        Assert.That(await StockAsync(harness, "apple"), Is.EqualTo(1_000 - 30 * 2));
    }

    [Test]
    public async Task An_order_of_something_unknown_is_set_aside_with_its_reason()
    {
        await using var harness = await StartAsync();

        await PlaceAsync(harness, new Order { Sku = "moon", Quantity = 1 });
        await harness.DrainedAsync();

        var letter = (await harness.DeadLettersAsync()).Single();
        Assert.That((letter.Consumer, letter.Type), Is.EqualTo(("stock", "orders.order-placed.v1")));
        Assert.That(letter.Reason, Does.Contain("Sequence contains no elements"));

        await FillStockAsync(harness, "moon", 5);
        await harness.RedriveDeadLettersAsync();
        await harness.DrainedAsync();

        Assert.That(await StockAsync(harness, "moon"), Is.EqualTo(4));
    }

    private static async Task PlaceAsync(OutboxHarness harness, Order order)
    {
        await using var scope = harness.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        db.Orders.Add(order);
        db.Outbox().Add(new OrderPlaced(order.Id, order.Sku, order.Quantity), partitionKey: order.Id);
        await db.SaveChangesAsync();
    }

    private static async Task FillStockAsync(OutboxHarness harness, string sku, int quantity)
    {
        await using var scope = harness.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<StockContext>();
        db.Items.Add(new Item { Sku = sku, Available = quantity });
        await db.SaveChangesAsync();
    }

    private static async Task<int> StockAsync(OutboxHarness harness, string sku)
    {
        await using var scope = harness.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<StockContext>().Items.SingleAsync(i => i.Sku == sku)).Available;
    }
}
