using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox;
using Outbox.Receipts;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>What is kept of receipts. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract class ReceiptSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly Guid _id = Guid.CreateVersion7();

    private TestDatabase _database = null!;
    private OutboxRegistration _outbox = null!;
    private ServiceProvider _services = null!;

    [SetUp]
    public async Task Prepare()
    {
        _services = new ServiceCollection().BuildServiceProvider();
        _database = await TestDatabase.CreateAsync(dialect);
        _outbox = new OutboxRegistration(new OutboxOptions { Source = "orders", Receipts = new ReceiptOptions() }, contextType: null, _ => _database.DataSource);
    }

    [TearDown]
    public async Task Close()
    {
        await _services.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task Applied_is_the_last_word_and_a_refusal_is_not()
    {
        await AskAsync(_id, "tests.a.v1");
        await ReceiveAsync(_id, "stock", "refused", "first", minutes: 1);
        Assert.That((await ReadAsync(AppliedBy.All)).Refused.Single().Reason, Is.EqualTo("first"));

        await ReceiveAsync(_id, "stock", "refused", "second", minutes: 2);
        var refused = await ReadAsync(AppliedBy.All);
        Assert.That((refused.Outcome, refused.Refused.Single().Reason), Is.EqualTo((ReceiptOutcome.Refused, "second")));

        await ReceiveAsync(_id, "stock", "applied", null, minutes: 3);
        await ReceiveAsync(_id, "stock", "refused", "too late", minutes: 4);
        await ReceiveAsync(_id, "stock", "applied", null, minutes: 5);
        var applied = await ReadAsync(AppliedBy.All);
        Assert.That((applied.Outcome, applied.Refused.Count, applied.AppliedBy.Single()), Is.EqualTo((ReceiptOutcome.Fulfilled, 0, new Application("stock", At(3)))));
    }

    [Test]
    public async Task Only_those_count_who_handle_the_type_and_were_seen_within_the_lifetime()
    {
        await AskAsync(_id, "tests.a.v1");
        foreach (var (name, type) in new[] { ("stock", "tests.a.v1"), ("stock", "tests.a.v1"), ("stock", "tests.b.v1"), ("billing", "tests.b.v1"), ("gone", "tests.a.v1") })
            await _database.ExecuteAsync(dialect.InsertConsumer, ("name", name), ("type", type));
        Assert.That((await ReadAsync(AppliedBy.All)).Missing, Is.EqualTo(new[] { "gone", "stock" }));

        await _database.ExecuteAsync($"UPDATE consumers SET last_seen_at = {_database.Time(TimeSpan.FromDays(-8))} WHERE name = 'gone'");
        Assert.That((await ReadAsync(AppliedBy.All)).Missing, Is.EqualTo(new[] { "stock" }));

        await _database.ExecuteAsync(dialect.InsertConsumer, ("name", "gone"), ("type", "tests.a.v1"));
        Assert.That((await ReadAsync(AppliedBy.All)).Missing, Is.EqualTo(new[] { "gone", "stock" }), "it is back");
    }

    [Test]
    public async Task What_is_old_is_forgotten_and_nothing_else()
    {
        var old = Guid.CreateVersion7();
        foreach (var id in (Guid[])[_id, old])
        {
            await AskAsync(id, "tests.a.v1");
            await ReceiveAsync(id, "stock", "applied", null, minutes: 1);
        }
        await _database.ExecuteAsync($"UPDATE receipts SET received_at = {_database.Time(TimeSpan.FromDays(-8))} WHERE message_id = @id", ("id", old));
        await _database.ExecuteAsync($"UPDATE receipt_requests SET requested_at = {_database.Time(TimeSpan.FromDays(-8))} WHERE message_id = @id", ("id", old));
        foreach (var name in (string[])["stock", "gone"])
            await _database.ExecuteAsync(dialect.InsertConsumer, ("name", name), ("type", "tests.a.v1"));
        await _database.ExecuteAsync($"UPDATE consumers SET last_seen_at = {_database.Time(TimeSpan.FromDays(-8))} WHERE name = 'gone'");

        await new ReceiptRetention(_outbox, _services, TimeProvider.System, NullLogger<ReceiptRetention>.Instance).ForgetOldAsync(None);

        Assert.That((await _database.CountAsync("receipts"), await _database.CountAsync("receipt_requests"), await _database.CountAsync("consumers")), Is.EqualTo((1L, 1L, 1L)));
        Assert.That((await ReadAsync(AppliedBy.All)).IsFulfilled, Is.True, "the younger one is left");
    }

    [Test]
    public async Task Many_messages_are_read_at_once_each_with_its_own()
    {
        var ids = Enumerable.Range(0, 1_100).Select(_ => Guid.CreateVersion7()).ToList();
        foreach (var id in ids.Where((_, i) => i % 100 == 0))
            await ReceiveAsync(id, "stock", "applied", null, minutes: 1);

        var states = await new ReceiptStore(_outbox, _services).ReadAsync([.. ids.Select(id => (id, AppliedBy.Consumers("stock")))], None);

        Assert.That(states.Values.Where(s => s.IsFulfilled).Select(s => s.MessageId), Is.EquivalentTo(ids.Where((_, i) => i % 100 == 0)));
        Assert.That(states, Has.Count.EqualTo(1_100));
    }

    [Test]
    public async Task An_outage_of_the_database_ends_nobody_s_wait()
    {
        var database = new SwitchableDataSource(_database.DataSource);
        var outbox = new OutboxRegistration(new OutboxOptions { Source = "orders", Receipts = new ReceiptOptions() }, contextType: null, _ => database);
        var waiting = outbox.Receipts(_services).WaitAsync(_id, AppliedBy.Consumers("stock"), Timeout.InfiniteTimeSpan, None);

        await database.GoAway();
        await ReceiveAsync(_id, "stock", "applied", null, minutes: 1);
        Assert.That(waiting.IsCompleted, Is.False);
        database.ComeBack();

        Assert.That((await waiting.WaitAsync(TimeSpan.FromSeconds(60))).IsFulfilled, Is.True);
    }

    private static DateTimeOffset At(int minutes) => new(2030, 1, 1, 0, minutes, 0, 125, TimeSpan.Zero);

    private Task<int> AskAsync(Guid id, string type) => _database.ExecuteAsync(dialect.InsertReceiptRequest, ("message_id", id), ("type", type));

    private async Task ReceiveAsync(Guid id, string consumer, string outcome, string? reason, int minutes)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command(dialect.InsertReceipt)
            .With("message_id", id).With("consumer", consumer).With("outcome", outcome).With("reason", reason, System.Data.DbType.String).With("occurred_at", At(minutes).UtcDateTime, System.Data.DbType.DateTime)
            .ExecuteAsync(None);
    }

    private async Task<Receipt> ReadAsync(AppliedBy wish) => (await new ReceiptStore(_outbox, _services).ReadAsync([(_id, wish)], None)).Values.Single();
}
