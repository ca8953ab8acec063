using System.Data;
using System.Data.Common;
using System.Diagnostics;
using System.Transactions;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox;
using Outbox.Inbox;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;
using IsolationLevel = System.Data.IsolationLevel;

namespace Broker.Tests.EndToEnd;

/// <summary>What only SQL Server does: locks that readers take, snapshots, and settings that stay on a session. With READ_COMMITTED_SNAPSHOT off, its own default, and on, Azure's.</summary>
[TestFixture(false)]
[TestFixture(true)]
internal sealed class SqlServerTests(bool readCommittedSnapshot)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private TestSqlServer _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestSqlServer.CreateAsync(readCommittedSnapshot);

    [TearDown]
    public async Task Close()
    {
        // What a test left on a session must not reach the next one.
        SqlConnection.ClearAllPools();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task A_service_that_works_under_SNAPSHOT_and_tries_again_writes_its_event_once()
    {
        await using (var context = Context())
            await context.CreateTablesAsync();
        await using (var context = Context())
        {
            context.Accounts.Add(new Account { Id = 1 });
            await context.SaveChangesAsync();
        }
        var tries = 0;
        await using var strategist = Context();

        await strategist.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            await using var context = Context();
            await using var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.Snapshot);
            var account = await context.Accounts.SingleAsync();
            if (++tries == 1)
                await _database.ExecuteAsync("UPDATE accounts SET balance = 10 WHERE id = 1");
            account.Balance++;
            context.Outbox().Add(new OrderPlaced($"try {tries}"), partitionKey: "account-1");
            await context.SaveChangesAsync();
            await transaction.CommitAsync();
        });

        Assert.That((tries, await _database.ScalarAsync<int>("SELECT balance FROM accounts")), Is.EqualTo((2, 11)), "the first try lost to the other writer");
        Assert.That((await _database.QueryAsync($"SELECT {_database.Body} FROM outbox_messages")).Single()[0], Does.Contain("try 2"));
        await DrainsAsync(1);
    }

    [Test]
    public async Task Events_of_one_SaveChanges_keep_their_order_whatever_statement_Entity_Framework_makes_of_them()
    {
        await using var context = Context();
        await context.CreateTablesAsync();
        var ids = Enumerable.Range(0, 300).Select(i => context.Outbox().Add(new OrderPlaced($"{i}"), partitionKey: "one")).ToList();

        await context.SaveChangesAsync();

        Assert.That((await _database.QueryAsync("SELECT message_id FROM outbox_messages ORDER BY sequence")).Select(r => Guid.Parse(r[0]!)), Is.EqualTo(ids));
    }

    [Test]
    public async Task A_relay_works_on_connections_that_a_TransactionScope_has_left_SERIALIZABLE()
    {
        await _database.CreateTablesAsync();
        await LeaveSerializableAsync(connections: 6);
        await using var writer = await _database.DataSource.OpenConnectionAsync();
        await using var open = await writer.BeginTransactionAsync(IsolationLevel.ReadCommitted);
        await _database.InsertAsync(key: "late", transaction: open);
        await _database.InsertAsync(key: "early");

        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using var drain = await Drain.StartAsync(_database, transport);
        await collector.ReachAsync(1);
        await open.CommitAsync();
        await collector.ReachAsync(2);

        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all rows are settled");
        Assert.That(collector.Arrived, Has.Count.EqualTo(2), "none was published twice");
    }

    [Test]
    public async Task A_relay_starts_and_goes_on_beside_a_writer_that_stays_open_and_brings_its_row_soon_after_its_commit()
    {
        await _database.CreateTablesAsync();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var open = await connection.BeginTransactionAsync();
        var late = await _database.InsertAsync(key: "late", transaction: open);
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);

        // What a relay looks at before it begins must not wait for the writer either.
        var source = new RelaySource { Name = "tests", Dialect = SqlDialect.SqlServer, DataSource = _database.DataSource, Transport = transport };
        await BeatConnection.CheckAsync(source, NullLogger.Instance, None).WaitAsync(TimeSpan.FromSeconds(60));
        await using var drain = await Drain.StartAsync(_database, transport);
        for (var i = 0; i < 300; i++)
            await _database.InsertAsync(key: $"key-{i % 7}");
        await collector.ReachAsync(300);
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "everything committed is settled");

        var watch = Stopwatch.StartNew();
        await open.CommitAsync();
        await collector.ReachAsync(301);
        Assert.That((collector.Arrived[^1].Id, watch.Elapsed < TimeSpan.FromSeconds(2)), Is.EqualTo((late, true)));
    }

    [Test]
    public async Task A_reader_that_holds_its_locks_stops_neither_publishing_nor_is_anything_published_twice()
    {
        await _database.CreateTablesAsync();
        for (var i = 0; i < 20; i++)
            await _database.InsertAsync(key: "k");
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var reading = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead);
        await connection.Command("SELECT max(type) FROM outbox_messages", reading).ScalarAsync(None);

        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using var drain = await Drain.StartAsync(_database, transport);
        await collector.ReachAsync(20);
        await _database.InsertAsync(key: "other");
        await collector.ReachAsync(21);
        // Long enough for a delete to have given up waiting and to have been tried again.
        await Eventually.IsTrueAsync(async () => await _database.WaitingSessionsAsync() > 0, "the relay waits for the reader's locks");
        await Eventually.IsTrueAsync(async () => await _database.WaitingSessionsAsync() == 0, "and gives way for a moment");
        await reading.CommitAsync();

        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all rows are settled");
        Assert.That(collector.Arrived, Has.Count.EqualTo(21));
    }

    [Test]
    public async Task A_message_is_told_from_its_copy_whatever_the_service_has_set_on_its_session()
    {
        await _database.CreateTablesAsync();
        var id = Guid.CreateVersion7();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command("SET NOCOUNT ON; SET XACT_ABORT ON").ExecuteAsync(None);
        await using var transaction = await connection.BeginTransactionAsync();

        Assert.That(await DbTransactionInbox.Instance.TryAddAsync(transaction, "stock", id, None));
        Assert.That(await DbTransactionInbox.Instance.TryAddAsync(transaction, "stock", id, None), Is.False);
        Assert.That(await DbTransactionInbox.Instance.TryAddAsync(transaction, "stock", [id, Guid.CreateVersion7()], None), Has.Count.EqualTo(1));
        await transaction.CommitAsync();

        Assert.That(await _database.CountAsync("inbox_messages"), Is.EqualTo(2), "the copy left the transaction as it was");
    }

    [Test]
    public async Task A_lease_is_renewed_whatever_a_session_is_set_to()
    {
        await _database.CreateTablesAsync();
        await using var lease = (await new DatabaseLeases(_database.DataSource, SqlDialect.SqlServer, TimeProvider.System).TryAcquireAsync("a", "me", TimeSpan.FromMinutes(5), None))!;
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command("SET NOCOUNT ON; SET IMPLICIT_TRANSACTIONS ON").ExecuteAsync(None);

        var renewed = await connection.Command(SqlDialect.SqlServer.RenewLease).With("name", "a").With("token", lease.Token).With("milliseconds", 3_600_000L).ExecuteAsync(None);

        Assert.That(renewed, Is.EqualTo(1));
        await connection.CloseAsync();
        Assert.That(await _database.ScalarAsync<int>("SELECT DATEDIFF(minute, SYSUTCDATETIME(), expires_at) FROM leases"), Is.GreaterThan(50), "it is committed");
    }

    [Test]
    public async Task Two_thousand_rows_are_listed_fetched_and_settled_by_one_statement_each()
    {
        await _database.CreateTablesAsync();
        await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) SELECT TOP (2000) NEWID(), 'tests.many.v1', 0x7B7D FROM sys.all_columns AS a CROSS JOIN sys.all_columns AS b");
        await using var lease = (await new DatabaseLeases(_database.DataSource, SqlDialect.SqlServer, TimeProvider.System).TryAcquireAsync("relay/0", "tests", TimeSpan.FromMinutes(5), None))!;
        var source = new RelaySource { Name = "tests", Dialect = SqlDialect.SqlServer, DataSource = _database.DataSource, Transport = new InMemoryTransport() };
        await using var store = await SqlOutboxStore.OpenAsync(source, 0, lease.Name, lease.Token, None);
        var all = (await store.ReadAsync(0, 2_000, None)).Rows.Select(r => r.Sequence).ToList();

        Assert.That(all, Has.Count.EqualTo(2_000));
        Assert.That(await store.ListAsync([.. all.Chunk(10).Select(c => (c[0], c[^1]))], 10_000, None), Is.EqualTo(all));
        Assert.That((await store.FetchAsync(all, stopsEarly: false, None)).Select(r => r.Sequence), Is.EqualTo(all));
        Assert.That(await store.SettleAsync(all, None));
        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero);
    }

    [Test]
    public async Task A_row_that_is_not_committed_shows_to_who_asks_for_such_rows_and_to_nobody_else()
    {
        await _database.CreateTablesAsync();
        await using var lease = (await new DatabaseLeases(_database.DataSource, SqlDialect.SqlServer, TimeProvider.System).TryAcquireAsync("relay/0", "tests", TimeSpan.FromMinutes(5), None))!;
        var source = new RelaySource { Name = "tests", Dialect = SqlDialect.SqlServer, DataSource = _database.DataSource, Transport = new InMemoryTransport() };
        await using var store = await SqlOutboxStore.OpenAsync(source, 0, lease.Name, lease.Token, None);
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using (var open = await connection.BeginTransactionAsync())
        {
            await _database.InsertAsync(transaction: open);
            Assert.That(await store.ListAsync([(1, 100)], 10, None), Is.Empty);
            Assert.That(await store.ListUncommittedAsync([(1, 100)], 10, None), Is.EqualTo(new[] { 1 }));
            await open.RollbackAsync();
        }
        Assert.That(await store.ListUncommittedAsync([(1, 100)], 10, None), Is.Empty);
    }

    [Test]
    public async Task Tables_that_a_migration_made_get_the_settings_that_only_the_script_can_give()
    {
        await using (var context = Context())
            await context.CreateTablesAsync();
        const string settings = """
            SELECT t.lock_escalation_desc, i.allow_page_locks, i.optimize_for_sequential_key
            FROM sys.tables AS t INNER JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 1 WHERE t.name = 'outbox_messages'
            """;
        Assert.That((await _database.QueryAsync(settings)).Single(), Is.EqualTo(new[] { "TABLE", "True", "False" }));

        await _database.CreateTablesAsync();

        Assert.That((await _database.QueryAsync(settings)).Single(), Is.EqualTo(new[] { "DISABLE", "False", "True" }));
    }

    private ServiceContext Context() =>
        new(new DbContextOptionsBuilder<ServiceContext>().UseSqlServer(_database.ConnectionString, sql => sql.EnableRetryOnFailure(3, TimeSpan.FromMilliseconds(10), null)).Options);

    private async Task DrainsAsync(int count)
    {
        var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        await using var drain = await Drain.StartAsync(_database, transport);
        await collector.ReachAsync(count);
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all rows are settled");
    }

    /// <summary>Opens each connection in a scope of its own, and gives them all back to the pool afterwards.</summary>
    private async Task LeaveSerializableAsync(int connections)
    {
        var opened = new List<DbConnection>();
        for (var i = 0; i < connections; i++)
        {
            using var scope = new TransactionScope(TransactionScopeOption.RequiresNew, new TransactionOptions { IsolationLevel = System.Transactions.IsolationLevel.Serializable }, TransactionScopeAsyncFlowOption.Enabled);
            var connection = await _database.DataSource.OpenConnectionAsync();
            opened.Add(connection);
            await connection.Command("SELECT count(*) FROM outbox_messages").ScalarAsync(None);
            scope.Complete();
        }
        foreach (var connection in opened)
            await connection.DisposeAsync();
    }

    private sealed class ServiceContext(DbContextOptions<ServiceContext> options) : OrdersContext(options)
    {
        public DbSet<Account> Accounts => Set<Account>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            base.OnModelCreating(modelBuilder);
            modelBuilder.Entity<Account>(entity =>
            {
                entity.ToTable("accounts").HasKey(a => a.Id);
                entity.Property(a => a.Id).HasColumnName("id").ValueGeneratedNever();
                entity.Property(a => a.Balance).HasColumnName("balance");
                entity.Property(a => a.Version).HasColumnName("version").IsRowVersion();
            });
        }
    }

    private sealed class Account
    {
        public int Id { get; init; }

        public int Balance { get; set; }

        public byte[] Version { get; init; } = [];
    }
}
