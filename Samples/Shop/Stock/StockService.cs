using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Shop.Hosting;
using Shop.Orders;
using Shop.Stock.EntityFramework;

namespace Shop.Stock;

/// <summary>Reserves the goods of every order, and says so.</summary>
internal static class StockService
{
    public static IServiceCollection AddStock(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect)
    {
        return settings.UsesEntityFramework
            ? services
                .AddDbContext<StockContext>(db => db.UseDatabase(settings))
                .AddOutbox<StockContext>(Configure<EntityFramework.ReserveStock>)
            : services
                .AddSingleton(_ => settings.CreateDataSource())
                .AddOutbox("stock", provider => provider.GetRequiredService<DbDataSource>(), Configure<PlainSql.ReserveStock>);

        void Configure<TReserveStock>(OutboxBuilder outbox)
            where TReserveStock : class, IMessageHandler<OrderPlaced>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("stock", consumer => consumer
                .Handle<OrderPlaced, TReserveStock>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
        }
    }
}
