using System.Data.Common;
using Broker.Relay;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.RabbitMQ;

namespace Broker.Tests.Docs;

// The code that README.md shows. DocumentationTests holds the two together.

[MessageType("orders.order-placed.v1")]
public sealed record OrderPlaced(Guid OrderId, string Sku, int Quantity);

[MessageType("stock.stock-reserved.v1")]
public sealed record StockReserved(Guid OrderId);

[MessageType("ledger.money-sent.v1")]
public sealed record MoneySent(Guid TransferId, decimal Amount);

public sealed class Order
{
    public Guid Id { get; set; } = Guid.CreateVersion7();

    public string Sku { get; set; } = "";

    public int Quantity { get; set; }

    public static Order From(PlaceOrder command) => new() { Sku = command.Sku, Quantity = command.Quantity };
}

public sealed record PlaceOrder(string Sku, int Quantity);

public sealed record Transfer(Guid Id, decimal Amount);

public sealed class Item
{
    public int Id { get; set; }

    public string Sku { get; set; } = "";

    public int Available { get; set; }

    public void Reserve(int quantity) => Available -= quantity;
}

public sealed class OrdersContext(DbContextOptions<OrdersContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();
    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();   // outbox, inbox and their friends, in your migrations
}

public sealed class StockContext(DbContextOptions<StockContext> options) : DbContext(options)
{
    public DbSet<Item> Items => Set<Item>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
}

public sealed class ReserveStock(StockContext db) : IMessageHandler<OrderPlaced>
{
    public async Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        var item = await db.Items.SingleAsync(i => i.Sku == message.Sku, cancellationToken);
        item.Reserve(message.Quantity);
        db.Outbox().Add(new StockReserved(message.OrderId), partitionKey: message.OrderId);
    }   // saved, deduplicated and announced in one transaction when the handler returns; a second delivery changes nothing
}

internal static class ReadmeExamples
{
    public static void Publish(WebApplicationBuilder builder, WebApplication app, string connectionString, string rabbitMqUri)
    {
        builder.Services.AddDbContext<OrdersContext>(options => options.UseNpgsql(connectionString));
        builder.Services.AddOutbox<OrdersContext>(outbox => outbox.UseRabbitMq(rabbitMqUri).AddRelay());   // leave .AddRelay() out when the worker does it

        app.MapPost("/orders", async (PlaceOrder command, OrdersContext db, CancellationToken cancellationToken) =>
        {
            var order = Order.From(command);
            db.Orders.Add(order);
            db.Outbox().Add(new OrderPlaced(order.Id, order.Sku, order.Quantity), partitionKey: order.Id);
            await db.SaveChangesAsync(cancellationToken);                                        // the order and its event, or neither
        });
    }

    public static async Task PublishAsync(DbConnection connection, IOutbox outbox, Transfer transfer, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("update accounts set balance = balance - @amount where id = @id", transfer, transaction);
        await outbox.AddAsync(transaction, new MoneySent(transfer.Id, transfer.Amount), partitionKey: transfer.Id, cancellationToken);
        await outbox.CommitAsync(transaction, cancellationToken);
    }

    public static void Consume(WebApplicationBuilder builder, string rabbitMqUri)
    {
        builder.Services.AddOutbox<StockContext>(outbox => outbox
            .UseRabbitMq(rabbitMqUri)
            .AddConsumer("stock", consumer => consumer
                .Handle<OrderPlaced, ReserveStock>()
                .InOrderPerKey(concurrency: 8)));
    }
}
