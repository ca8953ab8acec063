using System.Data.Common;
using System.Text;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>What the relay relies on when it reads and settles an outbox. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class OutboxStoreSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private TestDatabase _database = null!;
    private DatabaseLeases _leases = null!;
    private Lease _lease = null!;
    private SqlOutboxStore _store = null!;

    /// <summary>The database of one test. Engines whose settings matter to the contract run the suite with each of them.</summary>
    protected virtual Task<TestDatabase> CreateEmptyDatabaseAsync() => TestDatabase.CreateAsync(dialect, withTables: false);

    [SetUp]
    public async Task Prepare()
    {
        _database = await CreateEmptyDatabaseAsync();
        await _database.CreateTablesAsync();
        _leases = new DatabaseLeases(_database.DataSource, dialect, TimeProvider.System);
        _lease = (await _leases.TryAcquireAsync("relay/0", "first", TimeSpan.FromMinutes(5), None))!;
        _store = await OpenAsync(_lease.Token);
    }

    [TearDown]
    public async Task Close()
    {
        if (_store is not null)
            await _store.DisposeAsync();
        if (_lease is not null)
            await _lease.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task Rows_are_read_in_the_order_of_their_sequences()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 5; i++)
            ids.Add(await _database.InsertAsync());

        var (rows, isEnd) = await _store.ReadAsync(0, 100, None);

        Assert.That(rows.Select(r => r.Envelope!.MessageId), Is.EqualTo(ids));
        Assert.That(rows.Select(r => r.Sequence), Is.Ordered.Ascending.And.Unique);
        Assert.That(isEnd);
    }

    [Test]
    public async Task A_read_stops_at_its_limit_and_goes_on_after_the_last_row()
    {
        for (var i = 0; i < 5; i++)
            await _database.InsertAsync(body: $"{i}");

        var (first, firstIsEnd) = await _store.ReadAsync(0, 3, None);
        var (rest, restIsEnd) = await _store.ReadAsync(first[^1].Sequence, 3, None);

        Assert.That(first.Concat(rest).Select(Body), Is.EqualTo(new[] { "0", "1", "2", "3", "4" }));
        Assert.That((firstIsEnd, restIsEnd), Is.EqualTo((false, true)));
    }

    [Test]
    public async Task A_row_brings_everything_that_its_producer_wrote()
    {
        var id = Guid.CreateVersion7();
        await _database.ExecuteAsync(
            "INSERT INTO outbox_messages (message_id, type, partition_key, key_sequence, headers, content_type, body) VALUES (@id, @type, @key, @sequence, @headers, @content, @body)",
            ("id", id), ("type", "orders.order-placed.v1"), ("key", "Zürich 😀"), ("sequence", 3L), ("headers", """{"a":"1","b":""}"""), ("content", "text/plain"), ("body", "öä"u8.ToArray()));
        var before = await DatabaseClockAsync();

        var envelope = (await _store.ReadAsync(0, 1, None)).Rows.Single().Envelope!;

        Assert.Multiple(() =>
        {
            Assert.That(envelope.MessageId, Is.EqualTo(id));
            Assert.That(envelope.Type, Is.EqualTo("orders.order-placed.v1"));
            Assert.That(envelope.PartitionKey, Is.EqualTo("Zürich 😀"));
            Assert.That(envelope.KeySequence, Is.EqualTo(3));
            Assert.That(envelope.Headers, Is.EquivalentTo(new Dictionary<string, string> { ["a"] = "1", ["b"] = "" }));
            Assert.That(envelope.ContentType, Is.EqualTo("text/plain"));
            Assert.That(envelope.Body.ToArray(), Is.EqualTo("öä"u8.ToArray()));
            Assert.That(envelope.Source, Is.EqualTo("tests"));
            Assert.That(envelope.CreatedAt, Is.EqualTo(before).Within(TimeSpan.FromMinutes(1)));
        });
    }

    [Test]
    public async Task A_plain_insert_of_id_type_and_body_is_a_message()
    {
        var id = await _database.InsertAsync("tests.plain.v1", body: "{}");

        var row = (await _store.ReadAsync(0, 10, None)).Rows.Single();

        Assert.That((row.Envelope!.MessageId, row.Type, row.Key, row.Envelope.ContentType, row.Expired, row.DueIn), Is.EqualTo((id, "tests.plain.v1", (string?)null, "application/json", false, TimeSpan.Zero)));
        Assert.That(row.Envelope.Headers, Is.Empty);
    }

    [Test]
    public async Task Uncommitted_rows_are_not_seen_and_do_not_stop_a_read()
    {
        await _database.InsertAsync(body: "committed");
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await _database.InsertAsync(body: "open", transaction: transaction);

        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Select(Body), Is.EqualTo(new[] { "committed" }));
        await transaction.RollbackAsync();
        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Select(Body), Is.EqualTo(new[] { "committed" }));
    }

    [Test]
    public async Task A_row_that_commits_late_below_others_is_listed()
    {
        if (_store.LateRows == LateRows.Never)
            Assert.Pass("This engine's writers take turns: no row can commit below another.");
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await _database.InsertAsync(body: "late", transaction: transaction);
        await _database.InsertAsync(body: "early");
        var early = (await _store.ReadAsync(0, 10, None)).Rows.Single();
        Assert.That(await _store.ListAsync([(1, early.Sequence)], 100, None), Is.EqualTo(new[] { early.Sequence }));

        await transaction.CommitAsync();

        var listed = await _store.ListAsync([(1, early.Sequence)], 100, None);
        Assert.That(listed, Has.Count.EqualTo(2).And.Ordered);
        Assert.That((await _store.FetchAsync([listed[0]], stopsEarly: false, None)).Select(Body), Is.EqualTo(new[] { "late" }));
    }

    [Test]
    public async Task A_writer_that_holds_a_number_is_listed_until_it_ends()
    {
        if (_store.LateRows != LateRows.UntilWritersEnd)
            Assert.Pass("This engine has no list of writers.");
        Assert.That(await _store.ListWritersAsync(None), Is.Empty);
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await _database.InsertAsync(transaction: transaction);
        var last = await _store.ReadLastSequenceAsync(None);
        var writers = await _store.ListWritersAsync(None);
        Assert.That(writers, Has.Count.EqualTo(1));

        await transaction.CommitAsync();

        Assert.That(await _store.ListWritersAsync(None), Is.Empty);
        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Single().Sequence, Is.EqualTo(last), "the number was known while its row was still hidden");
    }

    [Test]
    public async Task A_row_that_is_not_committed_shows_to_who_asks_for_it_until_its_transaction_ends()
    {
        if (_store.LateRows != LateRows.WhileUncommitted)
            Assert.Pass("This engine tells in another way, or needs none.");
        await _database.InsertAsync();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await _database.InsertAsync(transaction: transaction);
        await _database.InsertAsync();
        var committed = (await _store.ReadAsync(0, 10, None)).Rows.Select(r => r.Sequence).ToList();

        var all = await _store.ListUncommittedAsync([(1, 1_000)], 10, None);
        Assert.That((all.Count, committed.Count), Is.EqualTo((3, 2)));
        Assert.That(await _store.ListUncommittedAsync([(1, committed[0]), (committed[1], 1_000)], 10, None), Is.EqualTo(committed), "only where it was asked");
        Assert.That(await _store.ListAsync([(1, 1_000)], 10, None), Is.EqualTo(committed), "a list of committed rows is not affected");

        await transaction.RollbackAsync();
        Assert.That(await _store.ListUncommittedAsync([(1, 1_000)], 10, None), Is.EqualTo(committed));
    }

    [Test]
    public async Task A_list_of_many_ranges_holds_what_lies_in_them_up_to_its_limit()
    {
        for (var i = 0; i < 30; i++)
            await _database.InsertAsync();
        var all = (await _store.ReadAsync(0, 100, None)).Rows.Select(r => r.Sequence).ToList();
        var spans = Enumerable.Range(0, 10).Select(i => (all[3 * i], all[(3 * i) + 1])).Concat(Enumerable.Range(0, 190).Select(i => (10_000L + (2 * i), 10_000L + (2 * i)))).ToList();
        var expected = all.Where((_, i) => i % 3 != 2).ToList();

        Assert.That(await _store.ListAsync(spans, 100, None), Is.EqualTo(expected));
        Assert.That(await _store.ListAsync(spans, 7, None), Is.EqualTo(expected.Take(7)));
    }

    [Test]
    public async Task A_prepared_transaction_counts_as_a_writer()
    {
        if (dialect != SqlDialect.PostgreSql)
            Assert.Pass("Only PostgreSQL has prepared transactions here.");
        var gid = TestServers.NewName("prepared");
        await using (var connection = await _database.DataSource.OpenConnectionAsync())
        {
            await connection.Command("BEGIN").ExecuteAsync(None);
            await connection.Command("INSERT INTO outbox_messages (message_id, type, body) VALUES (gen_random_uuid(), 'tests.prepared.v1', '')").ExecuteAsync(None);
            await connection.Command($"PREPARE TRANSACTION '{gid}'").ExecuteAsync(None);
        }
        try
        {
            Assert.That(await _store.ListWritersAsync(None), Has.Count.EqualTo(1));
        }
        finally
        {
            await _database.ExecuteAsync($"COMMIT PREPARED '{gid}'");
        }
        Assert.That(await _store.ListWritersAsync(None), Is.Empty);
    }

    [Test]
    public async Task Fetching_gives_the_rows_asked_for_in_order_and_leaves_out_what_is_gone()
    {
        for (var i = 0; i < 4; i++)
            await _database.InsertAsync(body: $"{i}");
        var all = (await _store.ReadAsync(0, 10, None)).Rows.Select(r => r.Sequence).ToList();
        await _store.SettleAsync([all[1]], None);

        var fetched = await _store.FetchAsync([all[0], all[1], all[3], all[3] + 100], stopsEarly: false, None);

        Assert.That(fetched.Select(Body), Is.EqualTo(new[] { "0", "3" }));
    }

    [TestCase("not json")]
    [TestCase("[1]")]
    [TestCase("null")]
    [TestCase("""{"a":{"b":1}}""")]
    public async Task A_row_with_bad_headers_is_reported_and_does_not_stop_the_read(string headers)
    {
        await _database.InsertAsync(body: "before");
        await _database.ExecuteAsync(
            "INSERT INTO outbox_messages (message_id, type, partition_key, headers, body) VALUES (@id, 'tests.bad.v1', 'k', @headers, @body)",
            ("id", Guid.CreateVersion7()), ("headers", headers), ("body", Array.Empty<byte>()));
        await _database.InsertAsync(body: "after");

        var rows = (await _store.ReadAsync(0, 10, None)).Rows;

        Assert.That(rows, Has.Count.EqualTo(3));
        Assert.That((rows[1].Envelope, rows[1].Type, rows[1].Key), Is.EqualTo((null as object, "tests.bad.v1", "k")));
        Assert.That(rows[1].Unreadable, Is.Not.Empty);
        Assert.That(new[] { Body(rows[0]), Body(rows[2]) }, Is.EqualTo(new[] { "before", "after" }));
    }

    [Test]
    public async Task A_row_with_an_empty_type_is_reported()
    {
        await _database.InsertAsync(type: "");

        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Single().Unreadable, Does.Contain("type"));
    }

    [Test]
    public async Task A_row_with_an_id_that_is_no_GUID_is_reported_where_the_engine_lets_it_in()
    {
        if (dialect == SqlDialect.PostgreSql || dialect == SqlDialect.SqlServer)
            Assert.Pass("This engine has a type for it.");
        await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) VALUES ('order-1', 'tests.bad.v1', x'')");
        await _database.InsertAsync(body: "after");

        var rows = (await _store.ReadAsync(0, 10, None)).Rows;

        Assert.That(rows[0].Unreadable, Is.Not.Empty);
        Assert.That(Body(rows[1]), Is.EqualTo("after"));
    }

    [Test]
    public async Task A_row_of_later_is_told_with_its_wait_and_an_expired_one_as_expired()
    {
        var now = await DatabaseClockAsync();
        foreach (var (notBefore, expiresAt) in new (DateTime?, DateTime?)[] { (now.AddMinutes(10), null), (now.AddMinutes(-10), now.AddMinutes(10)), (null, now.AddMinutes(-10)) })
        {
            await using var connection = await _database.DataSource.OpenConnectionAsync();
            await connection.Command("INSERT INTO outbox_messages (message_id, type, body, not_before, expires_at) VALUES (@id, 'tests.timed.v1', @body, @not_before, @expires_at)")
                .With("id", Guid.CreateVersion7()).With("body", Array.Empty<byte>())
                .With("not_before", notBefore, System.Data.DbType.DateTime).With("expires_at", expiresAt, System.Data.DbType.DateTime)
                .ExecuteAsync(None);
        }

        var rows = (await _store.ReadAsync(0, 10, None)).Rows;

        Assert.That(rows.Select(r => r.Expired), Is.EqualTo(new[] { false, false, true }));
        Assert.That(rows[0].DueIn, Is.EqualTo(TimeSpan.FromMinutes(10)).Within(TimeSpan.FromMinutes(1)));
        Assert.That(rows[1].DueIn, Is.EqualTo(TimeSpan.Zero));
    }

    [Test]
    public async Task Large_bodies_end_a_read_early_and_the_next_one_goes_on()
    {
        for (var i = 0; i < 5; i++)
            await _database.InsertAsync(body: new string((char)('a' + i), 6 * 1024 * 1024));

        var (rows, isEnd) = await _store.ReadAsync(0, 100, None);

        Assert.That((rows.Count, isEnd), Is.EqualTo((3, false)), "three bodies of 6 MiB pass the limit of 16 MiB");
        var (rest, restIsEnd) = await _store.ReadAsync(rows[^1].Sequence, 100, None);
        Assert.That(rows.Concat(rest).Select(r => Body(r)[0]), Is.EqualTo("abcde"));
        Assert.That(restIsEnd);
        Assert.That((await _store.FetchAsync([.. rows.Concat(rest).Select(r => r.Sequence)], stopsEarly: false, None)).Select(r => Body(r)[0]), Is.EqualTo("abcde"), "fetching brings all of them");
        Assert.That((await _store.FetchAsync([.. rows.Concat(rest).Select(r => r.Sequence)], stopsEarly: true, None)).Select(r => Body(r)[0]), Is.EqualTo("abc"), "or as many as fit");
    }

    [Test]
    public async Task Partitions_are_read_and_settled_apart()
    {
        await _database.InsertAsync(body: "0");
        await _database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, {_database.Partition}, type, body) VALUES (@id, 1, 'tests.other.v1', @body)", ("id", Guid.CreateVersion7()), ("body", "1"u8.ToArray()));
        await using var other = await OpenAsync(_lease.Token, partition: 1);
        var sequence = (await other.ReadAsync(0, 10, None)).Rows.Single().Sequence;

        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Select(Body), Is.EqualTo(new[] { "0" }));
        await _store.SettleAsync([sequence], None);
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(2));
        Assert.That(await other.ListAsync([(1, long.MaxValue)], 100, None), Is.EqualTo(new[] { sequence }));
    }

    private static string Body(OutboxRow row) => Encoding.UTF8.GetString(row.Envelope!.Body.Span);

    private async Task<DateTime> DatabaseClockAsync()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using DbCommand command = connection.Command($"SELECT {_database.Time(TimeSpan.Zero)}");
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return DateTime.SpecifyKind(reader.GetDateTime(0), DateTimeKind.Utc);
    }

    private Task<SqlOutboxStore> OpenAsync(long token, short partition = 0) => SqlOutboxStore.OpenAsync(
        new RelaySource { Name = "tests", Dialect = dialect, DataSource = _database.DataSource, Transport = new InMemoryTransport() }, partition, _lease.Name, token, None);
}
