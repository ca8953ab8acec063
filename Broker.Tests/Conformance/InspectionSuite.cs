using System.Text;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>What an operator is told: the life of a message, what is deferred, what is dead. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class InspectionSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly Guid _id = Guid.CreateVersion7();

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(dialect);

    [TearDown]
    public async Task Close()
    {
        if (_database is not null)
            await _database.DisposeAsync();
    }

    private DeadLetterDesk Desk => new(_database.DataSource, dialect, "anna@desk");

    private MessageLifeReader.Database Source => new("orders", dialect, _database.DataSource);

    [Test]
    public async Task A_message_is_followed_from_its_row_to_its_effects()
    {
        await ArchiveAsync(_id, "published", -60, -59);
        await AppliedAsync("stock", _id, -58);
        await AppliedAsync("billing", _id, -57);
        await DeferredAsync("customers", _id, "failed", "order-7", "deadlock victim", attempts: 3, seconds: -56);
        await ReceiptAsync("stock", -58);
        foreach (var other in (string[])["stock", "audit", "zebra"])
            await AppliedAsync(other, Guid.CreateVersion7(), -10);

        var life = await ReadAsync();

        Assert.That(life.Steps.Select(s => (s.Kind, s.Consumer)), Is.EqualTo(new (MessageStepKind, string?)[]
        {
            (MessageStepKind.Written, null), (MessageStepKind.Published, null), (MessageStepKind.Applied, "stock"), (MessageStepKind.Receipt, "stock"), (MessageStepKind.Applied, "billing"), (MessageStepKind.Deferred, "customers"),
        }));
        Assert.That((life.Type, life.Key, life.Steps[1].Sequence, life.Steps[1].Partition), Is.EqualTo(("tests.a.v1", "order-7", 5L, 0)));
        Assert.That((life.Steps[1].At - life.Steps[0].At).TotalSeconds, Is.EqualTo(1).Within(0.01));
        Assert.That((life.Steps[^1].State, life.Steps[^1].Attempts, life.Steps[^1].Reason, life.Steps[^1].NextAttemptAt is not null), Is.EqualTo(("failed", 3, "deadlock victim", true)));
        Assert.That(life.Sources, Is.EqualTo(new[] { new MessageLife.Answer("orders", 6, null, false) }));
        Assert.That(life.Steps.Select(s => s.At.Kind), Is.All.EqualTo(DateTimeKind.Utc));
    }

    [Test]
    public async Task What_is_not_published_yet_is_found_behind_many_rows_and_in_every_partition()
    {
        for (var i = 0; i < 25; i++)
            await _database.InsertAsync();
        await _database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, {_database.Partition}, type, partition_key, body) VALUES (@id, 3, 'tests.a.v1', 'order-7', @body)", ("id", _id), ("body", Array.Empty<byte>()));
        for (var i = 0; i < 25; i++)
            await ScheduleAsync(Guid.CreateVersion7());
        var later = Guid.CreateVersion7();
        await ScheduleAsync(later);

        var waiting = (await InquireAsync(_id, pageSize: 10, mostRows: 100)).Steps;
        Assert.That(waiting.Select(s => (s.Kind, s.Partition, s.Key)), Is.EquivalentTo(new[] { (MessageStepKind.Waiting, 3, "order-7"), (MessageStepKind.Written, 3, "order-7") }));
        var scheduled = await InquireAsync(later, pageSize: 10, mostRows: 100);
        Assert.That(scheduled.Steps.Select(s => (s.Kind, s.NextAttemptAt is not null)), Is.EquivalentTo(new[] { (MessageStepKind.Scheduled, true), (MessageStepKind.Written, false) }));
        Assert.That(scheduled.IsCutShort, Is.False);

        var unseen = await InquireAsync(later, pageSize: 10, mostRows: 20);
        Assert.That((unseen.Steps.Count, unseen.IsCutShort), Is.EqualTo((0, true)), "it says that it has not looked at everything");
    }

    [Test]
    public async Task A_message_that_was_set_aside_shows_who_did_what_with_it()
    {
        await LetterAsync("relay", "11", _id, state: "blocking", reason: "no queue is bound");
        await LetterAsync("consumer", "stock", _id, reason: "article unknown");
        var letters = await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 10, None);
        await Desk.DiscardAsync(new DeadLetterDesk.Filter(Id: letters.Single(l => l.Consumer == "stock").Id), "test data", None);

        var life = await ReadAsync();

        Assert.That(life.Steps.Where(s => s.Kind == MessageStepKind.DeadLetter).Select(s => (s.Consumer, s.State, s.Reason)),
            Is.EquivalentTo(new[] { (null, "blocking", "no queue is bound"), ("stock", "discarded", "article unknown") }));
        var action = life.Steps.Single(s => s.Kind == MessageStepKind.Action);
        Assert.That((action.Consumer, action.State, action.Actor, action.Reason), Is.EqualTo(("stock", "discarded", "anna@desk", "test data")));
    }

    [Test]
    public async Task A_database_that_does_not_answer_is_named_and_the_others_answer()
    {
        await AppliedAsync("stock", _id, -1);
        var gone = new SwitchableDataSource(_database.DataSource);
        var refused = gone.GoAway();

        var life = await new MessageLifeReader([new("gone", dialect, gone), Source], TimeProvider.System).ReadAsync(_id, None);

        await refused;

        Assert.That(life.Steps.Single().Consumer, Is.EqualTo("stock"));
        Assert.That((life.Sources[0].Source, life.Sources[0].Trouble is { Length: > 0 }, life.Sources[1].Trouble), Is.EqualTo(("gone", true, (string?)null)));
    }

    [Test]
    public async Task A_message_that_nobody_knows_has_no_steps()
    {
        await AppliedAsync("stock", Guid.CreateVersion7(), -1);

        var life = await ReadAsync();

        Assert.That((life.Steps.Count, life.Type, life.Sources.Single().Trouble), Is.EqualTo((0, (string?)null, (string?)null)));
    }

    [Test]
    public async Task Deferred_messages_are_read_by_the_page_forwards_and_backwards_and_by_what_they_have_in_common()
    {
        var desk = new DeferredDesk(_database.DataSource, dialect);
        for (var i = 0; i < 7; i++)
            await DeferredAsync(i < 5 ? "stock" : "billing", Guid.CreateVersion7(), i == 4 ? "behind" : "failed", $"order-{i}", $"reason {i}", attempts: i, seconds: -i);
        var filter = new DeferredDesk.Filter();

        var first = await desk.ListAsync(filter, null, 3, before: false, None);
        var second = await desk.ListAsync(filter, first[^1].Id, 3, before: false, None);
        Assert.That(first.Concat(second).Select(m => m.Key), Is.EqualTo(new[] { "order-0", "order-1", "order-2", "order-3", "order-4", "order-5" }));
        Assert.That(await desk.ListAsync(filter, second[0].Id, 3, before: true, None), Is.EqualTo(first));
        Assert.That((await desk.ListAsync(filter, null, 2, before: true, None)).Select(m => m.Key), Is.EqualTo(new[] { "order-5", "order-6" }), "the last page");
        Assert.That((second[1].State, second[1].Attempts, second[1].Reason, second[1].Consumer, second[1].Type), Is.EqualTo(("behind", 4, "reason 4", "stock", "tests.a.v1")));

        Assert.That(await KeysAsync(filter with { Consumer = "billing" }), Is.EqualTo(new[] { "order-5", "order-6" }));
        Assert.That(await KeysAsync(filter with { State = "behind" }), Is.EqualTo(new[] { "order-4" }));
        Assert.That(await KeysAsync(filter with { Key = "order-2" }), Is.EqualTo(new[] { "order-2" }));
        Assert.That(await KeysAsync(filter with { Type = "tests.b.v1" }), Is.Empty);

        async Task<IEnumerable<string?>> KeysAsync(DeferredDesk.Filter wanted) => (await desk.ListAsync(wanted, null, 100, before: false, None)).Select(m => m.Key);
    }

    private Task<MessageLife> ReadAsync() => new MessageLifeReader([Source], TimeProvider.System).ReadAsync(_id, None);

    private async Task<MessageInquiry> InquireAsync(Guid id, int pageSize, int mostRows)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        var inquiry = new MessageInquiry(connection, dialect, "orders", id, TimeProvider.System);
        await inquiry.RunAsync(pageSize, mostRows, None);
        return inquiry;
    }

    private string Ago(int seconds) => _database.Time(TimeSpan.FromSeconds(seconds));

    private Task<int> ArchiveAsync(Guid id, string outcome, int created, int published) => _database.ExecuteAsync(
        $"INSERT INTO outbox_archive (sequence, message_id, {_database.Partition}, partition_key, type, content_type, body, created_at, published_at, outcome) VALUES (5, @id, 0, 'order-7', 'tests.a.v1', 'text/plain', @body, {Ago(created)}, {Ago(published)}, @outcome)",
        ("id", id), ("body", Array.Empty<byte>()), ("outcome", outcome));

    private Task<int> AppliedAsync(string consumer, Guid id, int seconds) => _database.ExecuteAsync($"INSERT INTO inbox_messages (consumer, message_id, received_at) VALUES (@consumer, @id, {Ago(seconds)})", ("consumer", consumer), ("id", id));

    private Task<int> DeferredAsync(string consumer, Guid id, string state, string key, string reason, int attempts, int seconds) => _database.ExecuteAsync(
        $"INSERT INTO deferred_messages (consumer, message_id, partition_key, type, body, state, attempts, reason, deferred_at, last_failed_at, next_attempt_at) VALUES (@consumer, @id, @key, 'tests.a.v1', @body, @state, @attempts, @reason, {Ago(seconds)}, {Ago(seconds)}, {Ago(60)})",
        ("consumer", consumer), ("id", id), ("key", key), ("body", Array.Empty<byte>()), ("state", state), ("attempts", attempts), ("reason", reason));

    private Task<int> ScheduleAsync(Guid id) => _database.ExecuteAsync(
        $"INSERT INTO outbox_scheduled (sequence, {_database.Partition}, content_type, created_at, message_id, type, body, not_before) VALUES (1, 0, 'text/plain', {Ago(0)}, @id, 'tests.later.v1', @body, {Ago(3600)})", ("id", id), ("body", Array.Empty<byte>()));

    private Task<int> ReceiptAsync(string consumer, int seconds) => _database.ExecuteAsync($"INSERT INTO receipts (message_id, consumer, outcome, occurred_at) VALUES (@id, @consumer, 'applied', {Ago(seconds)})", ("id", _id), ("consumer", consumer));

    private Task<int> LetterAsync(string side, string consumer, Guid id, string state = "dead", string reason = "broken", string type = "tests.a.v1", string key = "order-7", int seconds = -1, string body = "{}", string? headers = null) => _database.ExecuteAsync(
        $"INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, first_failed_at, last_failed_at, state, sequence, {_database.Partition}, created_at) "
        + $"VALUES (@side, @consumer, 'orders', @id, @original, @type, @key, @headers, 'application/json', @body, @reason, 'at Stock.Reserve()', 5, {Ago(-100)}, {Ago(seconds)}, @state, @sequence, 0, {Ago(-200)})",
        ("side", side), ("consumer", consumer), ("id", id), ("original", id.ToString()), ("type", type), ("key", key), ("headers", headers ?? """{"a":"1"}"""), ("body", Encoding.UTF8.GetBytes(body)), ("reason", reason), ("state", state),
        ("sequence", side == "relay" ? long.Parse(consumer, System.Globalization.CultureInfo.InvariantCulture) : 0));
}
