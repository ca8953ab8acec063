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

    private static string IdOf(int i) => $"00000000-0000-7000-8000-{i:D12}";

    private static IncomingMessage Message(int i) => new(new DeferredDelivery
    {
        MessageId = IdOf(i),
        Type = "orders.order-placed.v1",
        Body = new[] { (byte)i },
        Headers = i % 2 == 0 ? new Dictionary<string, string> { ["cloudEvents:partitionkey"] = "even" } : [],
    });
}
