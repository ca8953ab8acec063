using System.Data.Common;
using Broker.Tests.Support;
using Outbox.Inbox;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>What consumers rely on: a message is new to a database once. An engine's class derives from this one and adds nothing.</summary>
internal abstract class InboxSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DbTransactionInbox Inbox = DbTransactionInbox.Instance;

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(dialect);

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_message_is_new_once()
    {
        var id = Guid.CreateVersion7();

        Assert.That(await AddAsync("stock", id));
        Assert.That(await AddAsync("stock", id), Is.False);
        Assert.That(await _database.CountAsync("inbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_duplicate_inside_the_same_transaction_is_told_too()
    {
        var id = Guid.CreateVersion7();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();

        Assert.That(await Inbox.TryAddAsync(transaction, "stock", id, None));
        Assert.That(await Inbox.TryAddAsync(transaction, "stock", id, None), Is.False);
        await transaction.CommitAsync();
        Assert.That(await _database.CountAsync("inbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_message_whose_transaction_rolled_back_is_new_again()
    {
        var id = Guid.CreateVersion7();
        await AddAsync("stock", id, commit: false);

        Assert.That(await AddAsync("stock", id));
    }

    [Test]
    public async Task Another_consumer_of_the_same_database_applies_it_too()
    {
        var id = Guid.CreateVersion7();

        Assert.That(await AddAsync("stock", id));
        Assert.That(await AddAsync("customers", id));
        Assert.That(await AddAsync("Stock", id), "names are told apart by case");
    }

    [Test]
    public async Task While_the_first_copy_is_being_applied_the_second_waits_and_is_then_told()
    {
        var id = Guid.CreateVersion7();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await BeginAsync(connection);
        await Inbox.TryAddAsync(transaction, "stock", id, None);

        var second = Task.Run(() => AddAsync("stock", id));
        await WaitsForAnotherAsync();
        Assert.That(second.IsCompleted, Is.False);
        await transaction.CommitAsync();

        Assert.That(await second.WaitAsync(TimeSpan.FromSeconds(20)), Is.False);
    }

    [Test]
    public async Task When_the_first_copy_rolls_back_the_waiting_second_one_is_new()
    {
        var id = Guid.CreateVersion7();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await BeginAsync(connection);
        await Inbox.TryAddAsync(transaction, "stock", id, None);

        var second = Task.Run(() => AddAsync("stock", id));
        await WaitsForAnotherAsync();
        Assert.That(second.IsCompleted, Is.False);
        await transaction.RollbackAsync();

        Assert.That(await second.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Test]
    public async Task Copies_that_race_are_applied_once()
    {
        var id = Guid.CreateVersion7();

        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => AddAsync("stock", id))));

        Assert.That(results.Count(isNew => isNew), Is.EqualTo(1));
    }

    [Test]
    public async Task Retention_forgets_old_messages_only_and_a_batch_at_a_time()
    {
        for (var i = 0; i < 5; i++)
            await AddAsync("stock", Guid.CreateVersion7());
        await _database.ExecuteAsync("UPDATE inbox_messages SET received_at = @old", ("old", dialect == SqlDialect.Sqlite ? "2020-01-01 00:00:00.000" : new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc)));
        var young = Guid.CreateVersion7();
        await AddAsync("stock", young);

        Assert.That(await ForgetAsync(limit: 3), Is.EqualTo(3));
        Assert.That(await ForgetAsync(limit: 3), Is.EqualTo(2));
        Assert.That(await ForgetAsync(limit: 3), Is.Zero);
        Assert.That(await AddAsync("stock", young), Is.False, "the young one is still known");
    }

    [Test]
    public async Task A_transaction_that_is_over_is_refused()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await transaction.CommitAsync();

        Assert.That(() => Inbox.TryAddAsync(transaction, "stock", Guid.CreateVersion7(), None), Throws.InstanceOf<Exception>().With.Message.Contains("transaction").IgnoreCase);
    }

    private async Task<bool> AddAsync(string consumer, Guid id, bool commit = true)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await BeginAsync(connection);
        var isNew = await Inbox.TryAddAsync(transaction, consumer, id, None);
        if (commit)
            await transaction.CommitAsync();
        return isNew;
    }

    private static async Task<DbTransaction> BeginAsync(DbConnection connection) => await connection.BeginTransactionAsync();

    private Task<int> ForgetAsync(int limit) => _database.ExecuteAsync(dialect.DeleteOldInbox, ("seconds", (long)TimeSpan.FromDays(7).TotalSeconds), ("limit", limit));

    /// <summary>Waits until a session is seen to wait, where the engine shows it.</summary>
    private Task WaitsForAnotherAsync() => _database is TestPostgreSql postgreSql
        ? Eventually.IsTrueAsync(
            async () => await _database.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE application_name = @name AND wait_event_type = 'Lock'", ("name", postgreSql.Schema)) == 1, "the second copy waits")
        : Task.CompletedTask;
}
