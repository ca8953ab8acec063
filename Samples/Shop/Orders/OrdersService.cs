using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Shop.Hosting;
using Shop.Stock;

namespace Shop.Orders;

/// <summary>Takes orders over HTTP, says so, and learns which of them are reserved.</summary>
internal static class OrdersService
{
    public static IServiceCollection AddOrders(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect) => services
        .AddScoped<OrderDesk>()
        .AddDbContext<OrdersContext>(db => db.UseDatabase(settings))
        .AddOutbox<OrdersContext>(outbox =>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("orders", consumer => consumer
                .Handle<StockReserved, MarkOrderReserved>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
        });

    public static void MapOrders(this IEndpointRouteBuilder app)
    {
        app.MapPost("/orders", async (PlaceOrder command, OrderDesk desk, CancellationToken cancellationToken) =>
        {
            var order = await desk.PlaceAsync(command, cancellationToken);
            return Results.Ok(new { order.Id, order.Number });
        });
        app.MapGet("/summary", async (OrdersContext db, CancellationToken cancellationToken) => new
        {
            Orders = await db.Orders.CountAsync(cancellationToken),
            Reserved = await db.Orders.CountAsync(o => o.IsReserved, cancellationToken),
            Cents = await db.Orders.SumAsync(o => o.Cents, cancellationToken),
        });
    }
}
