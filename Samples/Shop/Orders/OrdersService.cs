using System.Data.Common;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Shop.Hosting;
using Shop.Orders.EntityFramework;

namespace Shop.Orders;

/// <summary>Takes orders over HTTP, says so, and leads each through its checkout.</summary>
internal static class OrdersService
{
    public static IServiceCollection AddOrders(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect)
    {
        return settings.UsesEntityFramework
            ? services
                .AddScoped<IOrderDesk, EntityFramework.OrderDesk>()
                .AddDbContext<OrdersContext>(db => db.UseDatabase(settings))
                .AddOutbox<OrdersContext>(Configure<EntityFramework.MarkOrder>)
            : services
                .AddScoped<IOrderDesk, PlainSql.OrderDesk>()
                .AddSingleton(_ => settings.CreateDataSource())
                .AddOutbox("orders", provider => provider.GetRequiredService<DbDataSource>(), Configure<PlainSql.MarkOrder>);

        void Configure<TMarkOrder>(OutboxBuilder outbox)
            where TMarkOrder : class, IMessageHandler<OrderConfirmed>, IMessageHandler<OrderRejected>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("orders", consumer => consumer
                .Handle<OrderConfirmed, TMarkOrder>()
                .Handle<OrderRejected, TMarkOrder>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
            outbox.AddSaga<Checkout>(Checkout.Name, saga => (saga.Consumer.Queue, saga.Consumer.Concurrency) = (settings.QueueOf(Checkout.Name), settings.Concurrency));
        }
    }

    public static void MapOrders(this IEndpointRouteBuilder app)
    {
        app.MapPost("/orders", async (PlaceOrder command, IOrderDesk desk, CancellationToken cancellationToken) =>
        {
            var order = await desk.PlaceAsync(command, cancellationToken);
            return Results.Ok(new { order.Id, order.Number });
        });
        app.MapGet("/summary", (IOrderDesk desk, CancellationToken cancellationToken) => desk.SummarizeAsync(cancellationToken));
    }
}
