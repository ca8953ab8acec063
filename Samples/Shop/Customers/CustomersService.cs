using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Shop.Customers.EntityFramework;
using Shop.Hosting;
using Shop.Orders;

namespace Shop.Customers;

/// <summary>Keeps each customer's total. It says nothing itself; its outbox stays empty.</summary>
internal static class CustomersService
{
    public static IServiceCollection AddCustomers(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect)
    {
        return settings.UsesEntityFramework
            ? services
                .AddDbContext<CustomersContext>(db => db.UseDatabase(settings))
                .AddOutbox<CustomersContext>(Configure<EntityFramework.AddOrderToAccount>)
            : services
                .AddSingleton(_ => settings.CreateDataSource())
                .AddOutbox("customers", provider => provider.GetRequiredService<DbDataSource>(), Configure<PlainSql.AddOrderToAccount>);

        void Configure<TAddOrderToAccount>(OutboxBuilder outbox)
            where TAddOrderToAccount : class, IMessageHandler<OrderPlaced>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("customers", consumer => consumer
                .Handle<OrderPlaced, TAddOrderToAccount>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
        }
    }
}
