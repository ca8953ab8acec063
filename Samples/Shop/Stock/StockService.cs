using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Shop.Hosting;
using Shop.Orders;

namespace Shop.Stock;

/// <summary>Reserves the goods of every order, and says so.</summary>
internal static class StockService
{
    public static IServiceCollection AddStock(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect) => services
        .AddDbContext<StockContext>(db => db.UseDatabase(settings))
        .AddOutbox<StockContext>(outbox =>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("stock", consumer => consumer
                .Handle<OrderPlaced, ReserveStock>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
        });
}
