using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sagas;
using Outbox.Testing;

namespace Broker.Tests.Docs;

[MessageType("stock.reserve-items.v1")]
public sealed record ReserveItems(Guid OrderId, string Sku, int Quantity);

[MessageType("stock.release-items.v1")]
public sealed record ReleaseItems(Guid OrderId, string Sku, int Quantity);

[MessageType("bank.take-payment.v1")]
public sealed record TakePayment(Guid OrderId, decimal Amount);

[MessageType("bank.refund-payment.v1")]
public sealed record RefundPayment(Guid OrderId);

[MessageType("stock.ship.v1")]
public sealed record Ship(Guid OrderId);

[MessageType("orders.order-confirmed.v1")]
public sealed record OrderConfirmed(Guid OrderId);

[MessageType("orders.order-rejected.v1")]
public sealed record OrderRejected(Guid OrderId, string Reason);

public sealed class Payment
{
    public Guid Id { get; set; }

    public decimal Amount { get; set; }
}

public sealed class BankContext(DbContextOptions<BankContext> options) : DbContext(options)
{
    public DbSet<Payment> Payments => Set<Payment>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
}

public sealed record CheckoutState(Guid OrderId, string Sku, int Quantity);

public sealed class Checkout : Saga<CheckoutState>
{
    public Checkout()
    {
        StartedBy<OrderPlaced>(message => message.OrderId, message => new CheckoutState(message.OrderId, message.Sku, message.Quantity));
        Step("stock")
            .Send(state => new ReserveItems(state.OrderId, state.Sku, state.Quantity))
            .Compensate(state => new ReleaseItems(state.OrderId, state.Sku, state.Quantity));
        Step("payment")
            .Send(state => new TakePayment(state.OrderId, 10m * state.Quantity))
            .Within(TimeSpan.FromMinutes(10))
            .Compensate(state => new RefundPayment(state.OrderId));
        Step("shipping")
            .Pivot()
            .Send(state => new Ship(state.OrderId));
        WhenCompleted(state => new OrderConfirmed(state.OrderId));
        WhenCompensated((state, reason) => new OrderRejected(state.OrderId, reason));
    }
}

public sealed class StockDesk(StockContext db) : IMessageHandler<ReserveItems>, IMessageHandler<ReleaseItems>, IMessageHandler<Ship>
{
    public async Task HandleAsync(ReserveItems message, MessageContext context, CancellationToken cancellationToken)
    {
        var item = await db.Items.SingleAsync(i => i.Sku == message.Sku, cancellationToken);
        if (item.Available < message.Quantity)
            await context.RefuseAsync($"only {item.Available} of {message.Sku} are left", cancellationToken);
        else
            item.Available -= message.Quantity;
    }

    public async Task HandleAsync(ReleaseItems message, MessageContext context, CancellationToken cancellationToken)
    {
        var item = await db.Items.SingleAsync(i => i.Sku == message.Sku, cancellationToken);
        item.Available += message.Quantity;   // runs only if the reservation took effect, and once
    }

    public Task HandleAsync(Ship message, MessageContext context, CancellationToken cancellationToken) => Task.CompletedTask;
}

public sealed class PaymentDesk(BankContext db) : IMessageHandler<TakePayment>, IMessageHandler<RefundPayment>
{
    public async Task HandleAsync(TakePayment message, MessageContext context, CancellationToken cancellationToken)
    {
        if (message.Amount > 100)
            await context.RefuseAsync("the limit is 100", cancellationToken);
        else
            db.Payments.Add(new Payment { Id = message.OrderId, Amount = message.Amount });
    }

    public async Task HandleAsync(RefundPayment message, MessageContext context, CancellationToken cancellationToken) =>
        db.Payments.Remove(await db.Payments.SingleAsync(p => p.Id == message.OrderId, cancellationToken));
}

public sealed record TripState(Guid TripId);

[MessageType("trips.trip-wanted.v1")]
public sealed record TripWanted(Guid TripId);

[MessageType("hotel.reserve-room.v1")]
public sealed record ReserveRoom(Guid TripId);

[MessageType("hotel.confirm-room.v1")]
public sealed record ConfirmRoom(Guid TripId);

[MessageType("hotel.cancel-room.v1")]
public sealed record CancelRoom(Guid TripId);

[MessageType("flights.reserve-seat.v1")]
public sealed record ReserveSeat(Guid TripId);

[MessageType("flights.confirm-seat.v1")]
public sealed record ConfirmSeat(Guid TripId);

[MessageType("flights.cancel-seat.v1")]
public sealed record CancelSeat(Guid TripId);

public sealed class BookTrip : Tcc<TripState>
{
    public BookTrip()
    {
        StartedBy<TripWanted>(message => message.TripId, message => new TripState(message.TripId));
        Participant("hotel").Reserve(state => new ReserveRoom(state.TripId)).Confirm(state => new ConfirmRoom(state.TripId)).Cancel(state => new CancelRoom(state.TripId));
        Participant("flight").Reserve(state => new ReserveSeat(state.TripId)).Confirm(state => new ConfirmSeat(state.TripId)).Cancel(state => new CancelSeat(state.TripId));
    }
}

/// <summary>The code that docs/sagas.md shows, run. DocumentationTests holds the two together.</summary>
internal sealed class SagaExamples
{
    private string _folder = "";

    [SetUp]
    public void Prepare() => _folder = TestServers.Folder;

    private static void Register(IServiceCollection services)
    {
        services.AddOutbox<OrdersContext>(outbox => outbox
            .AddSaga<Checkout>("checkout"));
        services.AddOutbox<StockContext>(outbox => outbox
            .AddConsumer("stock", consumer => consumer.Handle<ReserveItems, StockDesk>().Handle<ReleaseItems, StockDesk>().Handle<Ship, StockDesk>()));
        services.AddOutbox<BankContext>(outbox => outbox
            .AddConsumer("bank", consumer => consumer.Handle<TakePayment, PaymentDesk>().Handle<RefundPayment, PaymentDesk>()));
    }

    private Task<OutboxHarness> StartAsync() => OutboxHarness.StartAsync(services =>
    {
        services.AddDbContext<OrdersContext>(o => o.UseSqlite($"Data Source={_folder}/orders.db"));
        services.AddDbContext<StockContext>(o => o.UseSqlite($"Data Source={_folder}/stock.db"));
        services.AddDbContext<BankContext>(o => o.UseSqlite($"Data Source={_folder}/bank.db"));
        Register(services);
    });

    [Test]
    public async Task An_order_that_cannot_be_paid_leaves_nothing()
    {
        await using var harness = await StartAsync();
        await FillStockAsync(harness, 50);

        await PlaceAsync(harness, new Order { Sku = "apple", Quantity = 11 });
        await harness.DrainedAsync();

        Assert.That(harness.Published<OrderRejected>().Single().Reason, Is.EqualTo("step 'payment' was refused: the limit is 100"));
        Assert.That(harness.Published<OrderConfirmed>(), Is.Empty);
        Assert.That(await AvailableAsync(harness), Is.EqualTo(50));
    }

    [Test]
    public async Task Whatever_comes_twice_or_late_stock_and_payments_fit_the_confirmed_orders()
    {
        await using var harness = await StartAsync();
        await FillStockAsync(harness, 50);
        harness.Faults.Duplicate(0.5);
        harness.Faults.Reorder(10);

        foreach (var quantity in new[] { 3, 11, 7, 60, 2 })
            await PlaceAsync(harness, new Order { Sku = "apple", Quantity = quantity });
        await harness.DrainedAsync();
        await harness.RedeliverEverythingAsync();

        Assert.That((harness.Published<OrderConfirmed>().Count, harness.Published<OrderRejected>().Count), Is.EqualTo((3, 2)));
        Assert.That(await AvailableAsync(harness), Is.EqualTo(50 - 3 - 7 - 2));
        await using var scope = harness.Services.CreateAsyncScope();
        Assert.That((await scope.ServiceProvider.GetRequiredService<BankContext>().Payments.ToListAsync()).Sum(p => p.Amount), Is.EqualTo(120m));
    }

    private static async Task PlaceAsync(OutboxHarness harness, Order order)
    {
        await using var scope = harness.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        db.Orders.Add(order);
        db.Outbox().Add(new OrderPlaced(order.Id, order.Sku, order.Quantity), partitionKey: order.Id);
        await db.SaveChangesAsync();
    }

    private static async Task FillStockAsync(OutboxHarness harness, int available)
    {
        await using var scope = harness.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<StockContext>();
        db.Items.Add(new Item { Sku = "apple", Available = available });
        await db.SaveChangesAsync();
    }

    private static async Task<int> AvailableAsync(OutboxHarness harness)
    {
        await using var scope = harness.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<StockContext>().Items.SingleAsync()).Available;
    }
}
