using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Inbox;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>What has had its use is removed, by age, a small batch at a time, beside those who write. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class RetentionSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Week = TimeSpan.FromDays(7);

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(dialect);

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Old_messages_are_forgotten_oldest_first_and_a_batch_at_a_time()
    {
        foreach (var days in (int[])[9, 8, 10, 6, 0])
            await ApplyAsync(Guid.CreateVersion7(), age: TimeSpan.FromDays(days));

        Assert.That(await ForgetAsync(limit: 2), Is.EqualTo(2));
        Assert.That(await _database.CountAsync($"inbox_messages WHERE received_at < {_database.Time(TimeSpan.FromDays(-8.5))}"), Is.Zero, "the oldest went first");
        Assert.That(await ForgetAsync(limit: 2), Is.EqualTo(1));
        Assert.That(await ForgetAsync(limit: 2), Is.Zero);
        Assert.That(await _database.CountAsync("inbox_messages"), Is.EqualTo(2));
    }

    [Test]
    public async Task A_consumer_forgets_its_own_messages_only()
    {
        await ApplyAsync(Guid.CreateVersion7(), age: TimeSpan.FromDays(8));

        Assert.That(await ForgetAsync(limit: 10, consumer: "billing"), Is.Zero, "another consumer of the database may remember for longer");
        Assert.That(await ForgetAsync(limit: 10), Is.EqualTo(1));
    }

    [Test]
    public async Task Forgetting_neither_waits_for_a_consumer_that_is_at_work_nor_stops_one()
    {
        for (var i = 0; i < 20; i++)
            await ApplyAsync(Guid.CreateVersion7(), age: TimeSpan.FromDays(8));
        if (dialect == SqlDialect.Sqlite)
            Assert.Pass("This engine's writers take turns, whatever they write.");
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync(dialect.ConsumerIsolation);
        await DbTransactionInbox.Instance.TryAddAsync(transaction, "stock", Guid.CreateVersion7(), None);

        Assert.That(await ForgetAsync(limit: 10).WaitAsync(TimeSpan.FromSeconds(60)), Is.EqualTo(10));
        await transaction.CommitAsync();

        await using var forgetting = await connection.BeginTransactionAsync(dialect.ConsumerIsolation);
        await connection.Command(dialect.DeleteOldInbox, forgetting).With("consumer", "stock").With("seconds", (long)Week.TotalSeconds).With("from", DateTime.UnixEpoch).With("limit", 10).ExecuteAsync(None);
        await ApplyAsync(Guid.CreateVersion7(), age: TimeSpan.Zero).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Test]
    public async Task A_settled_row_moves_to_the_archive_with_everything_that_it_held()
    {
        await _database.ExecuteAsync(
            $"INSERT INTO outbox_messages (message_id, type, partition_key, key_sequence, headers, body, expires_at) VALUES (@id, 'tests.kept.v1', 'k', 7, @headers, @body, {_database.Time(TimeSpan.FromHours(1))})",
            ("id", Guid.CreateVersion7()), ("headers", """{"a":"1"}"""), ("body", "öä"u8.ToArray()));
        await _database.InsertAsync(type: "tests.waits.v1");
        var columns = string.Join(", ", ((string[])["sequence", "message_id", _database.Partition, "partition_key", "key_sequence", "type", "headers", "content_type", "created_at", "expires_at"]).Select(_database.Text).Append(_database.Body));
        var before = (await _database.QueryAsync($"SELECT {columns} FROM outbox_messages WHERE type = 'tests.kept.v1'")).Single();
        await using var store = await OpenAsync();
        var sequence = (await store.ReadAsync(0, 10, None)).Rows[0].Sequence;

        Assert.That(await store.SettleAsync([sequence], None));

        Assert.That((await _database.QueryAsync($"SELECT {columns} FROM outbox_archive")).Single(), Is.EqualTo(before));
        Assert.That(await _database.CountAsync($"outbox_archive WHERE published_at BETWEEN {_database.Time(TimeSpan.FromMinutes(-1))} AND {_database.Time(TimeSpan.FromMinutes(1))}"), Is.EqualTo(1));
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
        Assert.That(await store.SettleAsync([sequence], None), "doing it again changes nothing");
        Assert.That(await _database.CountAsync("outbox_archive"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_row_that_was_not_published_leaves_without_a_trace_in_the_archive()
    {
        await _database.InsertAsync();
        await using var store = await OpenAsync();
        var sequence = (await store.ReadAsync(0, 10, None)).Rows[0].Sequence;

        Assert.That(await store.DropAsync([sequence], None));

        Assert.That((await _database.CountAsync("outbox_archive"), await _database.CountAsync("outbox_messages")), Is.EqualTo((0L, 0L)));
    }

    [Test]
    public async Task A_stale_token_archives_nothing()
    {
        await _database.InsertAsync();
        await using var stale = await OpenAsync(behind: 1);
        var sequence = (await stale.ReadAsync(0, 10, None)).Rows[0].Sequence;

        Assert.That(await stale.SettleAsync([sequence], None), Is.False);

        Assert.That((await _database.CountAsync("outbox_archive"), await _database.CountAsync("outbox_messages")), Is.EqualTo((0L, 1L)));
    }

    [Test]
    public async Task The_archive_is_emptied_by_age_a_batch_at_a_time()
    {
        for (var i = 0; i < 5; i++)
            await _database.InsertAsync();
        await using var store = await OpenAsync();
        var sequences = (await store.ReadAsync(0, 10, None)).Rows.Select(r => r.Sequence).ToList();
        await store.SettleAsync(sequences, None);
        await _database.ExecuteAsync($"UPDATE outbox_archive SET published_at = {_database.Time(TimeSpan.FromDays(-8))} WHERE sequence <> @kept", ("kept", sequences[2]));

        Assert.That(await RemoveAsync(limit: 3), Is.EqualTo(3));
        Assert.That(await RemoveAsync(limit: 3), Is.EqualTo(1));
        Assert.That(await RemoveAsync(limit: 3), Is.Zero);
        Assert.That((await _database.QueryAsync($"SELECT sequence FROM outbox_archive")).Single()[0], Is.EqualTo($"{sequences[2]}"));
    }

    private async Task ApplyAsync(Guid id, TimeSpan age)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync(dialect.ConsumerIsolation);
        await DbTransactionInbox.Instance.TryAddAsync(transaction, "stock", id, None);
        // By the whole key: a search would wait for rows that another transaction has deleted and not committed.
        await connection.Command($"UPDATE inbox_messages SET received_at = {_database.Time(-age)} WHERE consumer = 'stock' AND message_id = @id AND operation = ''", transaction).With("id", id).ExecuteAsync(None);
        await transaction.CommitAsync();
    }

    private Task<int> ForgetAsync(int limit, string consumer = "stock") => _database.ExecuteAsync(dialect.DeleteOldInbox, ("consumer", consumer), ("seconds", (long)Week.TotalSeconds), ("from", DateTime.UnixEpoch), ("limit", limit));

    private Task<int> RemoveAsync(int limit) => _database.ExecuteAsync(dialect.DeleteOldArchive, ("seconds", (long)Week.TotalSeconds), ("from", DateTime.UnixEpoch), ("limit", limit));

    private async Task<SqlOutboxStore> OpenAsync(int behind = 0)
    {
        await using var lease = (await new DatabaseLeases(_database.DataSource, dialect, TimeProvider.System).TryAcquireAsync("relay/0", "tests", TimeSpan.FromMinutes(5), None))!;
        await lease.AbandonAsync();
        var source = new RelaySource { Name = "tests", Dialect = dialect, DataSource = _database.DataSource, Transport = new InMemoryTransport(), Options = new RelayOptions { Archive = true } };
        return await SqlOutboxStore.OpenAsync(source, 0, lease.Name, lease.Token - behind, None);
    }
}
