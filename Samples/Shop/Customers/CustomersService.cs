using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Shop.Hosting;
using Shop.Orders;

namespace Shop.Customers;

/// <summary>Keeps each customer's total. It says nothing itself; its outbox stays empty.</summary>
internal static class CustomersService
{
    public static IServiceCollection AddCustomers(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect) => services
        .AddDbContext<CustomersContext>(db => db.UseDatabase(settings))
        .AddOutbox<CustomersContext>(outbox =>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("customers", consumer => consumer
                .Handle<OrderPlaced, AddOrderToAccount>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
        });
}
