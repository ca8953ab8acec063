using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using Outbox;
using Outbox.Consumers;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>A service in a process of its own, to be killed: the orders with their sagas, the stock, or the bank.</summary>
internal static class SagaService
{
    /// <summary>The hidden verb that makes a process one of these.</summary>
    public const string Verb = "saga-service";

    public static readonly string[] Roles = ["orders", "stock", "bank"];

    /// <summary>What it is to do; travels on its standard input.</summary>
    internal sealed record Settings(string Role, string RabbitMq, string Exchange, string Engine, string ConnectionString, int Seed);

    public static async Task<int> RunAsync()
    {
        var settings = JsonConvert.DeserializeObject<Settings>((await Console.In.ReadLineAsync())!)!;
        await using var dataSource = DataSources.Create(Database.Engine(settings.Engine), settings.ConnectionString, 20);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = settings.Role });
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(new Chance(settings.Seed));
        builder.Services.AddOutbox(settings.Role, _ => dataSource, outbox =>
        {
            outbox.Options.Exchange = settings.Exchange;
            outbox.UseRabbitMq(settings.RabbitMq);
            switch (settings.Role)
            {
                case "orders":
                    outbox.AddSaga<CheckoutSaga>(CheckoutSaga.Name, saga =>
                    {
                        saga.Consumer.Queue = QueueOf(settings.Exchange, CheckoutSaga.Name);
                        saga.Consumer.Concurrency = 8;
                        (saga.AnswerWithin, saga.MaxAttempts, saga.RetryDelay) = (TimeSpan.FromSeconds(10), 4, TimeSpan.FromMilliseconds(200));
                    });
                    outbox.AddConsumer("orders", consumer => Set(consumer, settings).Handle<OrderConfirmed, OrderDesk>().Handle<OrderRejected, OrderDesk>());
                    break;
                case "stock":
                    outbox.AddConsumer("stock", consumer => Set(consumer, settings).Handle<ReserveStock, Warehouse>().Handle<ReleaseStock, Warehouse>().Handle<ShipOrder, Warehouse>());
                    break;
                default:
                    outbox.AddConsumer("bank", consumer => Set(consumer, settings).Handle<TakePayment, Bank>().Handle<RefundPayment, Bank>());
                    break;
            }
        });
        using var host = builder.Build();
        await host.RunAsync();
        return 0;
    }

    public static string QueueOf(string exchange, string consumer) => $"{exchange}.{consumer}";

    /// <summary>The queues of all services.</summary>
    public static IEnumerable<string> QueuesOf(string exchange) => new[] { CheckoutSaga.Name, "orders", "stock", "bank" }.Select(consumer => QueueOf(exchange, consumer));

    private static ConsumerBuilder Set(ConsumerBuilder consumer, Settings settings)
    {
        consumer.Options.Queue = QueueOf(settings.Exchange, consumer.Options.Name);
        consumer.Options.MaxAttempts = 3;
        consumer.Options.RetryDelay = TimeSpan.FromMilliseconds(100);
        return consumer.InAnyOrder(8);
    }

    /// <summary>What happens to an order at a participant: the same in every process and at every try, so that only what the saga sends anew after a refusal is answered anew.</summary>
    internal sealed class Chance(int seed)
    {
        public bool Is(int inThousand, string what, string order, int salt = 0) => new Random(HashCode(seed, what, order, salt)).Next(1_000) < inThousand;

        private static int HashCode(int seed, string what, string order, int salt)
        {
            var hash = 17;
            foreach (var c in $"{seed}/{what}/{order}/{salt}")
                hash = unchecked((hash * 31) + c);
            return hash;
        }
    }

    /// <summary>Where an order's customer looks.</summary>
    private sealed class OrderDesk : IMessageHandler<OrderConfirmed>, IMessageHandler<OrderRejected>
    {
        public Task HandleAsync(OrderConfirmed message, MessageContext context, CancellationToken cancellationToken) => ShowAsync(message.Order, "confirmed", context, cancellationToken);

        public Task HandleAsync(OrderRejected message, MessageContext context, CancellationToken cancellationToken) => ShowAsync(message.Order, "rejected", context, cancellationToken);

        private static Task<int> ShowAsync(string order, string status, MessageContext context, CancellationToken cancellationToken) =>
            ExecuteAsync("INSERT INTO shown_orders (id, status) VALUES (@order, @status)", context, cancellationToken, ("order", order), ("status", status));
    }

    private sealed class Warehouse(Chance chance) : IMessageHandler<ReserveStock>, IMessageHandler<ReleaseStock>, IMessageHandler<ShipOrder>
    {
        public async Task HandleAsync(ReserveStock message, MessageContext context, CancellationToken cancellationToken)
        {
            if (chance.Is(100, "stock", message.Order))
                await context.RefuseAsync(new StockRefused(message.Order, "sold out"), cancellationToken);
            else
            {
                await MoveAsync("free = free - 1, reserved = reserved + 1", message.Sku, context, cancellationToken);
                await context.ReplyAsync(new StockReserved(message.Order), cancellationToken);
            }
        }

        public async Task HandleAsync(ReleaseStock message, MessageContext context, CancellationToken cancellationToken)
        {
            if (chance.Is(100, "release", message.Order, context.Saga!.Round))
                await context.RefuseAsync("the shelf is blocked", cancellationToken);
            else
                await MoveAsync("free = free + 1, reserved = reserved - 1", message.Sku, context, cancellationToken);
        }

        public async Task HandleAsync(ShipOrder message, MessageContext context, CancellationToken cancellationToken)
        {
            if (chance.Is(30, "ship", message.Order))
                await context.RefuseAsync("no parcel service goes there", cancellationToken);
            else
                await MoveAsync("reserved = reserved - 1, sold = sold + 1", message.Sku, context, cancellationToken);
        }

        private static Task<int> MoveAsync(string change, int sku, MessageContext context, CancellationToken cancellationToken) =>
            ExecuteAsync($"UPDATE items SET {change} WHERE id = @id", context, cancellationToken, ("id", sku));
    }

    private sealed class Bank(Chance chance) : IMessageHandler<TakePayment>, IMessageHandler<RefundPayment>
    {
        public async Task HandleAsync(TakePayment message, MessageContext context, CancellationToken cancellationToken)
        {
            if (chance.Is(100, "payment", message.Order))
            {
                await context.RefuseAsync("the card is not covered", cancellationToken);
                return;
            }
            // It has taken effect as far as this handler knows, and is undone: a dead letter.
            await BookAsync(1, message.Order, context, cancellationToken);
            if (chance.Is(20, "broken", message.Order))
                throw new RejectMessageException("The bank does not understand this order.");
        }

        public Task HandleAsync(RefundPayment message, MessageContext context, CancellationToken cancellationToken) => BookAsync(-1, message.Order, context, cancellationToken);

        private static Task<int> BookAsync(int amount, string order, MessageContext context, CancellationToken cancellationToken) =>
            ExecuteAsync("INSERT INTO bookings (message_id, order_id, amount) VALUES (@message, @order, @amount)", context, cancellationToken, ("message", context.MessageId.ToString("D")), ("order", order), ("amount", amount));
    }

    private static Task<int> ExecuteAsync(string sql, MessageContext context, CancellationToken cancellationToken, params (string Name, object Value)[] values)
    {
        var command = context.Transaction.Connection!.Command(sql, context.Transaction);
        foreach (var (name, value) in values)
            command.With(name, value);
        return command.ExecuteAsync(cancellationToken);
    }
}
