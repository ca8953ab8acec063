using System.Text;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json;
using Outbox;
using Outbox.Consumers;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Sagas;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>A saga and its participants over a real database, and a test in the place of relay and broker: it takes what was written, and decides what arrives when, how often and in which order.</summary>
internal sealed class SagaStage : IAsyncDisposable
{
    private const string Saga = "checkout";

    private readonly TestHost _host;
    private readonly List<(string Consumer, MessageProcessor Processor)> _consumers;

    private SagaStage(TestDatabase database, TestHost host, SagaScript script)
    {
        (Database, _host, Script) = (database, host, script);
        _consumers = [.. new[] { Saga, "warehouse", "bank", "office", "audit" }.Select(c => (c, host.Services.GetRequiredKeyedService<MessageProcessor>(c)))];
    }

    public TestDatabase Database { get; }

    public SagaScript Script { get; }

    public IServiceProvider Services => _host.Services;

    public TestLog Log => _host.Log;

    /// <summary>What the saga has set for later.</summary>
    public List<Message> Timers { get; } = [];

    /// <summary>Everything that was written, in its order.</summary>
    public List<Message> Written { get; } = [];

    /// <summary>A message on its way.</summary>
    internal sealed record Message(Guid Id, string Type, string? Headers, byte[] Body, bool IsDelayed)
    {
        public string Text => Encoding.UTF8.GetString(Body);

        public bool Is<T>() => Type == new MessageTypeRegistry().NameOf(typeof(T));

        public bool IsTimer => IsDelayed && Type.StartsWith("outbox.saga.", StringComparison.Ordinal);
    }

    public static async Task<SagaStage> CreateAsync(SqlDialect dialect, Action<SagaOptions>? configure = null, StepSignals? steps = null)
    {
        var database = await TestDatabase.CreateAsync(dialect);
        await database.ExecuteAsync("CREATE TABLE shelf (id int NOT NULL PRIMARY KEY, free int NOT NULL, reserved int NOT NULL, sold int NOT NULL, paid int NOT NULL, invoices int NOT NULL)");
        await database.ExecuteAsync("INSERT INTO shelf (id, free, reserved, sold, paid, invoices) VALUES (1, 1000, 0, 0, 0, 0)");
        var script = new SagaScript();
        var host = TestHost.Build(services =>
        {
            services.AddSingleton(script);
            if (steps is not null)
                services.AddSingleton(steps);
            services.AddOutbox("shop", _ => database.DataSource, outbox => outbox
                .UseInMemory()
                .AddSaga<Checkout>(Saga, configure)
                .AddConsumer("warehouse", c => c.InAnyOrder(4).Handle<ReserveStock, Participants>().Handle<ReleaseStock, Participants>().Handle<Ship, Participants>())
                .AddConsumer("bank", c => c.InAnyOrder(4).Handle<TakePayment, Participants>().Handle<RefundPayment, Participants>())
                .AddConsumer("office", c => c.InAnyOrder(4).Handle<SendInvoice, Participants>())
                .AddConsumer("audit", c => c.InAnyOrder(4).Handle<StockReserved, Audit>()));
        });
        return new SagaStage(database, host, script);
    }

    /// <summary>An order arrives.</summary>
    public Task PlaceAsync(string order, string? headers = null) => DeliverAsync(OrderOf(order, headers));

    private static Message OrderOf(string order, string? headers = null) => new(Guid.CreateVersion7(), "tests.saga-order-placed.v1", headers, Encoding.UTF8.GetBytes($$"""{"order":"{{order}}"}"""), IsDelayed: false);

    /// <summary>Takes what waits in the outbox, as a relay would; what is for later is kept apart.</summary>
    public async Task<List<Message>> TakeAsync()
    {
        var messages = new List<Message>();
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = connection.Command("SELECT message_id, type, headers, body, CASE WHEN not_before IS NULL THEN 0 ELSE 1 END FROM outbox_messages ORDER BY sequence", transaction))
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
                messages.Add(new Message(Guid.Parse(reader.IdTextOrNull(0)!), reader.GetString(1), reader.TextOrNull(2), (byte[])reader.GetValue(3), reader.NumberOrNull(4) == 1));
        }
        await connection.Command("DELETE FROM outbox_messages", transaction).ExecuteAsync(CancellationToken.None);
        await transaction.CommitAsync();
        Written.AddRange(messages);
        Timers.AddRange(messages.Where(m => m.IsTimer));
        return [.. messages.Where(m => !m.IsTimer)];
    }

    /// <summary>Delivers a message to everybody who reads its type, once, under its own id or under another.</summary>
    public async Task DeliverAsync(Message message, Guid? id = null)
    {
        foreach (var (consumer, processor) in _consumers.Where(c => c.Processor.Types.Contains(message.Type)))
        {
            var incoming = new IncomingMessage(new Held(id ?? message.Id, message));
            try
            {
                await processor.ApplyAsync(incoming, worker: null, CancellationToken.None);
            }
            catch (Exception exception) when (exception is RejectMessageException or UnreadableMessageException or InvalidOperationException)
            {
                await processor.SetBackAsync(incoming, exception, CancellationToken.None);
            }
        }
    }

    /// <summary>Delivers orders to the saga in one batch.</summary>
    public Task PlaceTogetherAsync(params string[] orders) => _consumers.Single(c => c.Consumer == Saga).Processor.ApplyAsync([.. orders.Select(o => new IncomingMessage(new Held(Guid.CreateVersion7(), OrderOf(o))))], CancellationToken.None);

    /// <summary>Delivers whatever is written, in its order, until nothing is written any more.</summary>
    public async Task RunAsync()
    {
        while (await TakeAsync() is { Count: > 0 } messages)
        {
            foreach (var message in messages)
                await DeliverAsync(message);
        }
    }

    /// <summary>Delivers until a message of this class is next, and hands it over undelivered.</summary>
    public async Task<Message> UntilAsync<T>()
    {
        while (await TakeAsync() is { Count: > 0 } messages)
        {
            foreach (var message in messages.Where(m => !m.Is<T>()))
                await DeliverAsync(message);
            if (messages.Find(m => m.Is<T>()) is { } found)
                return found;
        }
        throw new AssertionException($"No {typeof(T).Name} was written.");
    }

    /// <summary>The time of the last timer comes.</summary>
    public Task FireAsync() => DeliverAsync(Timers[^1]);

    /// <summary>An operator says something.</summary>
    public Task TellAsync(string kind, string order, string reason, string? step = null, string? operation = null) =>
        DeliverAsync(new Message(Guid.CreateVersion7(), SagaMessage.TypeFor(Saga), Headers: null, SagaMessage.Json.Serialize(new SagaMessage { Kind = kind, Id = order, Step = step, Operation = operation, Actor = "ada", Reason = reason }), IsDelayed: false));

    public async Task<string> StatusAsync(string order) => (await Database.QueryAsync("SELECT status FROM sagas WHERE id = @id", ("id", order))).Single()[0]!;

    public async Task<IReadOnlyList<string>> HistoryAsync(string order) =>
        [.. (await Database.QueryAsync("SELECT step, operation, event FROM saga_steps WHERE id = @id ORDER BY number", ("id", order))).Select(r => string.Join(' ', r.OfType<string>()))];

    /// <summary>Free, reserved, sold, paid, invoices.</summary>
    public async Task<string> ShelfAsync() => string.Join(' ', (await Database.QueryAsync("SELECT free, reserved, sold, paid, invoices FROM shelf")).Single());

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await Database.DisposeAsync();
    }

    private sealed class Held : Delivery
    {
        public Held(Guid id, Message message)
        {
            (MessageId, Type, ContentType, Body) = (id.ToString("D"), message.Type, "application/json", message.Body);
            if (message.Headers is not null)
                Headers = JsonConvert.DeserializeObject<Dictionary<string, string>>(message.Headers)!;
        }

        public override ValueTask AcceptAsync() => ValueTask.CompletedTask;

        public override ValueTask RequeueAsync() => ValueTask.CompletedTask;

        public override ValueTask RejectAsync() => ValueTask.CompletedTask;
    }
}
