using Broker.Tests.Support;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>Deferred messages that are written together, however many they are.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class DeferredRowsTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Test]
    public async Task Messages_keep_their_order_and_what_they_are_made_of([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine, [Values(1, 2, 3, 60)] int count)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var queue = new DeferredQueue("stock", engine);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await queue.AddAsync(transaction, [.. Enumerable.Range(0, count).Select(i => new DeferredQueue.Entry(Message(i), DeferredState.Failed, 1, new InvalidOperationException($"reason {i}"), TimeSpan.Zero))], None);
            await transaction.CommitAsync();
        }
        var written = (await queue.ListAsync(connection, [], 100, None)).Select(l => l.Message).OrderBy(m => m.Row!.Id).ToList();

        // A key for some of them only, so that values and nulls stand side by side.
        Assert.That(written.Select(m => (m.OriginalId, m.PartitionKey, m.Attempts, Convert.ToHexString(m.Delivery.Body.Span))), Is.EqualTo(Enumerable.Range(0, count).Select(i => (IdOf(i), i % 2 == 0 ? "even" : null, 1, $"{i:X2}"))));

        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await queue.AgainAsync(transaction, [.. written.Select((m, i) => new DeferredQueue.Entry(m, DeferredState.Failed, 2, new InvalidOperationException($"again {i}"), TimeSpan.Zero))], None);
            await transaction.CommitAsync();
        }
        var again = (await queue.ListAsync(connection, [], 100, None)).Select(l => l.Message.Row!).OrderBy(r => r.Id).ToList();

        Assert.That(again.Select(r => (r.Id, r.Attempts, r.Reason)), Is.EqualTo(written.Select((m, i) => (m.Row!.Id, 2, (string?)$"InvalidOperationException: again {i}"))));
    }

    [Test]
    public async Task What_comes_first_once_another_is_removed_is_due_at_once_unless_it_waits_for_its_next_attempt(
        [ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine,
        [Values(DeferredState.Behind, DeferredState.Failed, DeferredState.Gap, DeferredState.Dead)] string state,
        [Values] bool hasTime)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var queue = new DeferredQueue("stock", engine);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await queue.AddAsync(transaction,
            [
                new DeferredQueue.Entry(Message(0), DeferredState.Failed, 1, null, TimeSpan.Zero),
                new DeferredQueue.Entry(Message(2), state, 0, null, hasTime ? TimeSpan.FromHours(1) : null),
                new DeferredQueue.Entry(Message(4), DeferredState.Behind, 0, null, TimeSpan.FromHours(2)),
            ], None);
            await transaction.CommitAsync();
        }
        var first = (await queue.ListAsync(connection, [], 1, None)).Single().Message;

        int due;
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            due = await queue.RemoveAsync(transaction, [first], m => m.PartitionKey, None);
            await transaction.CommitAsync();
        }

        var isDue = state == DeferredState.Behind || (state == DeferredState.Failed && !hasTime);
        Assert.That(due, Is.EqualTo(isDue ? 1 : 0));
        Assert.That((await queue.ListAsync(connection, [], 10, None)).Where(l => l.Due <= TimeSpan.Zero).Select(l => l.Message.OriginalId), Is.EqualTo(isDue ? [IdOf(2)] : Array.Empty<string>()));
    }

    private static string IdOf(int i) => $"00000000-0000-7000-8000-{i:D12}";

    private static IncomingMessage Message(int i) => new(new DeferredDelivery
    {
        MessageId = IdOf(i),
        Type = "orders.order-placed.v1",
        Body = new[] { (byte)i },
        Headers = i % 2 == 0 ? new Dictionary<string, string> { ["cloudEvents:partitionkey"] = "even" } : [],
    });
}
