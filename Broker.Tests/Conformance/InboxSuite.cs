using System.Data.Common;
using Broker.Tests.Support;
using Outbox.Inbox;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>What consumers rely on: a message is new to a database once. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract class InboxSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DbTransactionInbox Inbox = DbTransactionInbox.Instance;

    private TestDatabase _database = null!;

    /// <summary>The database of one test. Engines whose settings matter to the contract run the suite with each of them.</summary>
    protected virtual Task<TestDatabase> CreateEmptyDatabaseAsync() => TestDatabase.CreateAsync(dialect, withTables: false);

    [SetUp]
    public async Task Prepare()
    {
        _database = await CreateEmptyDatabaseAsync();
        await _database.CreateTablesAsync();
    }

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

        Assert.That(await second.WaitAsync(TimeSpan.FromSeconds(60)), Is.False);
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

        Assert.That(await second.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Test]
    public async Task Copies_that_race_are_applied_once()
    {
        var id = Guid.CreateVersion7();

        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => AddAsync("stock", id))));

        Assert.That(results.Count(isNew => isNew), Is.EqualTo(1));
    }

    [Test]
    public async Task Many_messages_are_recorded_at_once_and_the_new_ones_are_told()
    {
        var ids = Enumerable.Range(0, 500).Select(_ => Guid.CreateVersion7()).ToList();
        await AddAsync("stock", ids[7]);
        await AddAsync("stock", ids[499]);
        await AddAsync("customers", ids[8]);

        Assert.That(await AddManyAsync("stock", [.. ids, ids[0], ids[7]]), Is.EquivalentTo(ids.Except([ids[7], ids[499]])));
        Assert.That(await AddManyAsync("stock", ids), Is.Empty);
        Assert.That(await AddManyAsync("stock", []), Is.Empty);
        Assert.That(await _database.CountAsync("inbox_messages"), Is.EqualTo(501));
    }

    [Test]
    public async Task A_batch_of_2000_messages_is_recorded()
    {
        var ids = Enumerable.Range(0, 2_000).Select(_ => Guid.CreateVersion7()).ToList();

        Assert.That(await AddManyAsync("stock", ids), Has.Count.EqualTo(2_000));
    }

    [Test]
    public async Task A_batch_waits_for_a_copy_that_is_being_applied_and_is_then_told([Values] bool commits)
    {
        var ids = Enumerable.Range(0, 5).Select(_ => Guid.CreateVersion7()).ToList();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await BeginAsync(connection);
        await Inbox.TryAddAsync(transaction, "stock", ids[2], None);

        var batch = Task.Run(() => AddManyAsync("stock", ids));
        await WaitsForAnotherAsync();
        Assert.That(batch.IsCompleted, Is.False);
        if (commits)
            await transaction.CommitAsync();
        else
            await transaction.RollbackAsync();

        Assert.That(await batch.WaitAsync(TimeSpan.FromSeconds(60)), Is.EquivalentTo(commits ? ids.Where(id => id != ids[2]) : ids));
        Assert.That(await _database.CountAsync("inbox_messages"), Is.EqualTo(5));
    }

    [Test]
    public async Task Batches_that_race_apply_every_message_once()
    {
        var ids = Enumerable.Range(0, 200).Select(_ => Guid.CreateVersion7()).ToList();

        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(async () =>
        {
            var random = new Random(i);
            var added = new List<Guid>();
            foreach (var batch in ids.OrderBy(_ => random.Next()).Chunk(40))
                added.AddRange(await AgainAfterDeadlockAsync(() => AddManyAsync("stock", batch)));
            return added;
        })));

        Assert.That(results.SelectMany(r => r), Is.EquivalentTo(ids));
    }

    [Test]
    public async Task Retention_forgets_old_messages_only_and_a_batch_at_a_time()
    {
        for (var i = 0; i < 5; i++)
            await AddAsync("stock", Guid.CreateVersion7());
        await _database.ExecuteAsync($"UPDATE inbox_messages SET received_at = {_database.Time(TimeSpan.FromDays(-8))}");
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

    private async Task<IReadOnlySet<Guid>> AddManyAsync(string consumer, IReadOnlyCollection<Guid> ids)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await BeginAsync(connection);
        var added = await Inbox.TryAddAsync(transaction, consumer, ids, None);
        await transaction.CommitAsync();
        return added;
    }

    /// <summary>As a consumer does: the whole transaction once more.</summary>
    private static async Task<IReadOnlySet<Guid>> AgainAfterDeadlockAsync(Func<Task<IReadOnlySet<Guid>>> work)
    {
        while (true)
        {
            try
            {
                return await work();
            }
            catch (DbException exception) when (SqlErrors.IsTransient(exception))
            {
                await Task.Yield();
            }
        }
    }

    private async Task<DbTransaction> BeginAsync(DbConnection connection) => await connection.BeginTransactionAsync(dialect.ConsumerIsolation);

    private Task<int> ForgetAsync(int limit) => _database.ExecuteAsync(dialect.DeleteOldInbox, ("consumer", "stock"), ("seconds", (long)TimeSpan.FromDays(7).TotalSeconds), ("from", DateTime.UnixEpoch), ("limit", limit));

    /// <summary>Waits until a session is seen to wait, where the engine shows it.</summary>
    private Task WaitsForAnotherAsync() => dialect == SqlDialect.Sqlite ? Task.CompletedTask : Eventually.IsTrueAsync(async () => await _database.WaitingSessionsAsync() == 1, "the second copy waits");
}
