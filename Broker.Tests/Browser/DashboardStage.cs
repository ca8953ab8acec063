using System.Data;
using Broker.Tests.Support;
using Outbox.Consumers;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Browser;

/// <summary>Sources in every state that an operator meets: one that has everything, one that is quiet, one that is down. Whatever strangers can write is hostile in the first.</summary>
internal sealed class DashboardStage : IAsyncDisposable
{
    /// <summary>What a stranger writes into a type, a key, a header, a body, an error.</summary>
    public const string Hostile = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'&{{x}}";

    private DashboardStage(TestDatabase orders, TestDatabase stock) => (Orders, Stock) = (orders, stock);

    /// <summary>The source that has everything, on PostgreSQL.</summary>
    public TestDatabase Orders { get; }

    /// <summary>The quiet one, on SQLite.</summary>
    public TestDatabase Stock { get; }

    public IReadOnlyDictionary<string, TestDatabase> Sources => new Dictionary<string, TestDatabase> { ["orders"] = Orders, ["stock"] = Stock };

    /// <summary>A source whose database nobody has started.</summary>
    public static Dictionary<string, string?> Down => new()
    {
        ["Broker:Sources:billing:Database"] = "PostgreSql",
        ["Broker:Sources:billing:ConnectionString"] = "Host=127.0.0.1;Port=1;Username=relay;Database=billing",
    };

    /// <summary>A coordinator of transactions over the source that has everything.</summary>
    public static Dictionary<string, string?> Coordinator => new() { ["Broker:Coordinators:transfers:Participants"] = "orders" };

    public static async Task<DashboardStage> CreateAsync()
    {
        var stage = new DashboardStage(await TestDatabase.CreateAsync(SqlDialect.PostgreSql), await TestDatabase.CreateAsync(SqlDialect.Sqlite));
        await stage.FillWithHostileAsync();
        await stage.FillAsync();
        return stage;
    }

    /// <summary>The same without anything hostile: as an operator would like to see it.</summary>
    public static async Task<DashboardStage> CreatePeacefulAsync(TestDatabase stock)
    {
        var stage = new DashboardStage(await TestDatabase.CreateAsync(SqlDialect.PostgreSql), stock);
        await stage.FillAsync();
        return stage;
    }

    /// <summary>Sets a message aside, as a consumer or a relay does. Returns its id.</summary>
    public async Task<Guid> LetterAsync(string? consumer, string type, string? key, string reason, string state = "dead", string? error = null, string body = "{}", string? headers = null)
    {
        var id = Guid.CreateVersion7();
        await using var connection = await Orders.DataSource.OpenConnectionAsync();
        await connection.Command(Orders.Dialect.InsertDeadLetter)
            .With("side", consumer is null ? "relay" : "consumer").With("consumer", consumer ?? $"{id.GetHashCode() & 0xFFFFF}").With("source", "orders").With("message_id", id).With("original_id", id.ToString("D"))
            .With("type", type).With("partition_key", key, DbType.String).With("headers", headers, DbType.String).With("content_type", "application/json").With("body", System.Text.Encoding.UTF8.GetBytes(body))
            .With("reason", reason).With("error", error, DbType.String).With("attempts", 5).With("state", state)
            .ExecuteAsync(CancellationToken.None);
        return id;
    }

    public async ValueTask DisposeAsync()
    {
        await Orders.DisposeAsync();
        await Stock.DisposeAsync();
    }

    private static string Body(string customer) =>
        Newtonsoft.Json.JsonConvert.SerializeObject(new { orderId = "o-4711", customer, items = new[] { new { sku = "tea-green", quantity = 2 }, new { sku = "cup-blue", quantity = 1 } }, total = 23.5 });

    private async Task FillAsync()
    {
        for (var i = 1; i <= 120; i++)
        {
            await LetterAsync("stock", i % 7 == 0 ? "orders.order-cancelled.v1" : "orders.order-placed.v1", $"order-{i}", $"Item 'tea-{i % 5}' is not in the catalogue.", i % 10 == 0 ? "blocking" : "dead",
                "System.InvalidOperationException: Sequence contains no elements\n   at System.Linq.ThrowHelper.ThrowNoElementsException()", Body("Ada"));
        }
        await LetterAsync(null, "orders.order-audited.v1", "order-9", "no queue is bound for the type 'orders.order-audited.v1' at the exchange 'events'");
        foreach (var (consumer, state, attempts, key) in new[] { ("stock", "failed", 3, (string?)"order-41"), ("stock", "behind", 0, "order-41"), ("stock", "dead", 5, "order-10"), ("customers", "failed", 1, null) })
            await DeferAsync(consumer, "orders.order-placed.v1", key, state, attempts, state == "failed" ? "deadlock victim" : "waits for an earlier message of its key");
        foreach (var consumer in new[] { "stock", "customers" })
        {
            for (var i = 0; i < 30; i++)
                await Orders.ExecuteAsync("INSERT INTO inbox_messages (consumer, message_id) VALUES (@consumer, @id)", ("consumer", consumer), ("id", Guid.CreateVersion7()));
        }
        await LiveAsync("stock");
        await ActAsync("ada", "redriven", "the catalogue was mended");
    }

    private async Task FillWithHostileAsync()
    {
        await LetterAsync("stock", Hostile, Hostile, Hostile, "blocking", $"System.InvalidOperationException: {Hostile}\n   at Shop.Stock.ReserveStock.HandleAsync(OrderPlaced message)\n   at Outbox.Consumers.MessageProcessor.HandleAsync()", Body(Hostile),
            Newtonsoft.Json.JsonConvert.SerializeObject(new Dictionary<string, string> { ["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", [Hostile] = Hostile }));
        await DeferAsync(Hostile, Hostile, Hostile, "failed", 1, Hostile);
        await LiveAsync(Hostile);
        await Orders.ExecuteAsync("INSERT INTO inbox_keys (consumer, source, partition_key, last_sequence) VALUES ('stock', 'orders', @key, 7)", ("key", Hostile));
        await Orders.ExecuteAsync("INSERT INTO deferred_messages (consumer, message_id, partition_key, key_sequence, source, type, body, state, attempts) VALUES ('stock', @id, @key, 9, 'orders', 'orders.order-placed.v1', @body, 'gap', 0)", ("id", Guid.CreateVersion7()), ("key", Hostile), ("body", new byte[] { 1 }));
        await Orders.ExecuteAsync(
            "INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, reason, trouble) VALUES ('checkout', @text, 'parked', @text, 'compensation', 1, 5, 1, @state, @text, @text)",
            ("text", Hostile), ("state", Body(Hostile)));
        await Orders.ExecuteAsync("INSERT INTO saga_steps (type, id, number, step, operation, event, attempt, actor, reason) VALUES ('checkout', @text, 1, @text, 'compensation', 'parked', 5, @text, @text)", ("text", Hostile));
        await ActAsync(Hostile, "discarded", Hostile);
        var owner = $"{Hostile}/17/x";
        await Orders.ExecuteAsync(
            $"INSERT INTO relays (owner, expires_at, status) VALUES (@owner, {Orders.Time(TimeSpan.FromHours(1))}, @status)", ("owner", owner),
            ("status", Newtonsoft.Json.JsonConvert.SerializeObject(new
            {
                Version = 1,
                Blocked = new object[]
                {
                    new { State = "dead-letter", Key = Hostile, Type = Hostile, Reason = Hostile, Since = "2026-11-27T02:14:00Z", Waiting = 17 },
                    new { State = "type", Key = (string?)null, Type = "orders.order-audited.v1", Reason = "no queue is bound", Since = "2026-11-27T02:20:00Z", Waiting = 3 },
                },
            })));
        await Orders.ExecuteAsync($"INSERT INTO leases (name, owner, token, expires_at) VALUES ('relay/0', @owner, 42, {Orders.Time(TimeSpan.FromHours(1))})", ("owner", owner));
        await Orders.ExecuteAsync($"INSERT INTO leases (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, 43, {Orders.Time(TimeSpan.FromHours(1))}, {Orders.Time(TimeSpan.Zero)})", ("name", "lock/" + Hostile), ("owner", Hostile));
        await Orders.ExecuteAsync(
            "INSERT INTO transaction_decisions (transaction_id, coordinator, decision, reason, decided_by, branches, outcome) VALUES (@id, 'transfers', 'rollback', @text, @text, @branches, 'heuristic')",
            ("id", TransactionId.New("transfers", "a1b2c3", 1, TimeProvider.System.GetUtcNow().UtcDateTime).ToString()), ("text", Hostile), ("branches", Decision.Write([new BranchRecord("orders", BranchRecord.No, Hostile, Decision.Committed)])));
        foreach (var type in new[] { Hostile, "orders.order-placed.v1", "orders.order-audited.v1" })
            await Orders.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, body, created_at) VALUES (@id, @type, @body, {Orders.Time(TimeSpan.FromMinutes(-3))})", ("id", Guid.CreateVersion7()), ("type", type), ("body", new byte[] { 1 }));
    }

    private Task<int> DeferAsync(string consumer, string type, string? key, string state, int attempts, string reason) => Orders.ExecuteAsync(
        $"""
        INSERT INTO deferred_messages (consumer, message_id, partition_key, type, body, state, attempts, reason, next_attempt_at)
        VALUES (@consumer, @id, @key, @type, @body, @state, @attempts, @reason, {(state == "failed" ? Orders.Time(TimeSpan.FromSeconds(40)) : "NULL")})
        """,
        ("consumer", consumer), ("id", Guid.CreateVersion7()), ("key", (object?)key ?? DBNull.Value), ("type", type), ("body", new byte[] { 1 }), ("state", state), ("attempts", attempts), ("reason", reason));

    private Task<int> LiveAsync(string consumer) => Orders.ExecuteAsync(
        $"INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES (@consumer, @owner, {Orders.Time(TimeSpan.FromHours(1))}, @status)",
        ("consumer", consumer), ("owner", "machine-2/4711/x"), ("status", new ConsumerStatus(consumer, 12_345, 17, 8, 2, 0.042, 3).Write()));

    private Task<int> ActAsync(string actor, string action, string reason) => Orders.ExecuteAsync(
        "INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason) VALUES (900001, 'consumer', 'stock', @id, @action, @actor, @reason)",
        ("id", Guid.CreateVersion7()), ("action", action), ("actor", actor), ("reason", reason));
}
