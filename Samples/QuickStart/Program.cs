// Two services in one file: Orders writes an event with its data, Stock applies it once. SQLite and the in-memory transport: nothing to install.
// dotnet run --project Samples/QuickStart
using Broker.Relay;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;

var folder = Directory.CreateTempSubdirectory("quickstart-");
var builder = Host.CreateApplicationBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);

// The service that publishes: its outbox, and a relay in this process.
builder.Services.AddDbContext<OrdersContext>(options => options.UseSqlite($"Data Source={folder.FullName}/orders.db"));
builder.Services.AddOutbox<OrdersContext>(outbox => outbox.UseInMemory().AddRelay());

// The service that consumes: a queue, a handler, and an inbox.
builder.Services.AddDbContext<StockContext>(options => options.UseSqlite($"Data Source={folder.FullName}/stock.db"));
builder.Services.AddOutbox<StockContext>(outbox => outbox.UseInMemory()
    .AddConsumer("stock", consumer => consumer.Handle<OrderPlaced, ReserveStock>().InOrderPerKey(concurrency: 4)));

using var host = builder.Build();
using (var scope = host.Services.CreateScope())
{
    await scope.ServiceProvider.GetRequiredService<OrdersContext>().Database.EnsureCreatedAsync();
    var stock = scope.ServiceProvider.GetRequiredService<StockContext>();
    await stock.Database.EnsureCreatedAsync();
    stock.Add(new Item { Sku = "tea", Available = 100 });
    await stock.SaveChangesAsync();
}
await host.StartAsync();

using (var scope = host.Services.CreateScope())
{
    var db = scope.ServiceProvider.GetRequiredService<OrdersContext>();
    for (var i = 0; i < 10; i++)
    {
        var order = new Order { Id = Guid.CreateVersion7(), Sku = "tea", Quantity = 3 };
        db.Orders.Add(order);
        db.Outbox().Add(new OrderPlaced(order.Id, order.Sku, order.Quantity), partitionKey: order.Id);
        await db.SaveChangesAsync();    // the order and its event, or neither
    }

    // An order that fails takes its event with it.
    await using var transaction = await db.Database.BeginTransactionAsync();
    db.Outbox().Add(new OrderPlaced(Guid.CreateVersion7(), "tea", 50));
    await db.SaveChangesAsync();
    await transaction.RollbackAsync();
}

int available;
var deadline = TimeProvider.System.GetTimestamp();
do
{
    await Task.Delay(20);
    using var scope = host.Services.CreateScope();
    available = (await scope.ServiceProvider.GetRequiredService<StockContext>().Items.SingleAsync()).Available;
}
while (available > 70 && TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromSeconds(30));

Console.WriteLine($"10 orders of 3 placed, 1 rolled back; stock went from 100 to {available}.");
await host.StopAsync();
folder.Delete(recursive: true);
return available == 70 ? 0 : 1;

[MessageType("orders.order-placed.v1")]
public sealed record OrderPlaced(Guid OrderId, string Sku, int Quantity);

public sealed class ReserveStock(StockContext db) : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        var item = await db.Items.SingleAsync(i => i.Sku == message.Sku, cancellationToken);
        item.Available -= message.Quantity;
    }   // saved and deduplicated in one transaction when the handler returns; a second delivery changes nothing
}

public sealed class Order
{
    public Guid Id { get; set; }
    public string Sku { get; set; } = "";
    public int Quantity { get; set; }
}

public sealed class Item
{
    public int Id { get; set; }
    public string Sku { get; set; } = "";
    public int Available { get; set; }
}

public sealed class OrdersContext(DbContextOptions<OrdersContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();
    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
}

public sealed class StockContext(DbContextOptions<StockContext> options) : DbContext(options)
{
    public DbSet<Item> Items => Set<Item>();
    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
}
