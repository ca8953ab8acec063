using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Shop.Hosting;
using Shop.Stock.EntityFramework;

namespace Shop.Stock;

/// <summary>A participant of the checkout: reserves the goods of an order, and then sells or releases them.</summary>
internal static class StockService
{
    public static IServiceCollection AddStock(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect)
    {
        return settings.UsesEntityFramework
            ? services
                .AddDbContext<StockContext>(db => db.UseDatabase(settings))
                .AddOutbox<StockContext>(Configure<EntityFramework.GoodsDesk>)
            : services
                .AddSingleton(_ => settings.CreateDataSource())
                .AddOutbox("stock", provider => provider.GetRequiredService<DbDataSource>(), Configure<PlainSql.GoodsDesk>);

        void Configure<TGoodsDesk>(OutboxBuilder outbox)
            where TGoodsDesk : class, IMessageHandler<ReserveGoods>, IMessageHandler<ReleaseGoods>, IMessageHandler<SellGoods>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            // One consumer for a command and its compensation: its inbox tells that one is undone before it was done.
            outbox.AddConsumer("stock", consumer => consumer
                .Handle<ReserveGoods, TGoodsDesk>()
                .Handle<ReleaseGoods, TGoodsDesk>()
                .Handle<SellGoods, TGoodsDesk>()
                .InAnyOrder(settings.Concurrency)
                .Options.Queue = settings.Queue);
        }
    }
}
