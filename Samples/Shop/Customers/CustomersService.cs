using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Shop.Customers.EntityFramework;
using Shop.Hosting;
using Shop.Orders;

namespace Shop.Customers;

/// <summary>Keeps each customer's total, and takes payments for the checkout.</summary>
internal static class CustomersService
{
    /// <summary>The consumer that takes part in the checkout.</summary>
    public const string Payments = "payments";

    public static IServiceCollection AddCustomers(this IServiceCollection services, ServiceSettings settings, Action<OutboxBuilder> connect)
    {
        return settings.UsesEntityFramework
            ? services
                .AddDbContext<CustomersContext>(db => db.UseDatabase(settings))
                .AddOutbox<CustomersContext>(Configure<EntityFramework.AddOrderToAccount, EntityFramework.PaymentDesk>)
            : services
                .AddSingleton(_ => settings.CreateDataSource())
                .AddOutbox("customers", provider => provider.GetRequiredService<DbDataSource>(), Configure<PlainSql.AddOrderToAccount, PlainSql.PaymentDesk>);

        void Configure<TAddOrderToAccount, TPaymentDesk>(OutboxBuilder outbox)
            where TAddOrderToAccount : class, IMessageHandler<OrderPlaced>
            where TPaymentDesk : class, IMessageHandler<TakePayment>, IMessageHandler<RefundPayment>
        {
            outbox.Options.Exchange = settings.Exchange;
            connect(outbox);
            outbox.AddConsumer("customers", consumer => consumer
                .Handle<OrderPlaced, TAddOrderToAccount>()
                .InOrderPerKey(settings.Concurrency)
                .Options.Queue = settings.Queue);
            outbox.AddConsumer(Payments, consumer => consumer
                .Handle<TakePayment, TPaymentDesk>()
                .Handle<RefundPayment, TPaymentDesk>()
                .InAnyOrder(settings.Concurrency)
                .Options.Queue = settings.QueueOf(Payments));
        }
    }
}
