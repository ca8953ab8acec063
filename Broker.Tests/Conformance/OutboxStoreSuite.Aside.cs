using Broker.Relay;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>Rows that leave the outbox for the dead letters, the scheduled rows and the archive, and come back: wholly or not at all, and only for who holds the lease (G5, G6).</summary>
internal abstract partial class OutboxStoreSuite
{
    [Test]
    public async Task A_dead_letter_holds_the_whole_row_and_the_row_is_gone()
    {
        var id = await InsertFullAsync();
        var row = (await _store.ReadAsync(0, 10, None)).Rows.Single();

        Assert.That(await _store.DeadLetterAsync([new DeadRow(row, "it's \"broken\": ü😀", 7, TimeSpan.FromSeconds(90), Blocks: true)], None));

        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero);
        var messageId = _database.Text("message_id");
        var letter = (await _database.QueryAsync(
            $"SELECT side, source, {messageId}, type, partition_key, headers, content_type, reason, attempts, state, sequence, {_database.Partition}, key_sequence FROM dead_letters")).Single();
        letter[2] = letter[2]!.ToLowerInvariant();
        Assert.That(letter, Is.EqualTo(new[] { "relay", "tests", $"{id}", "tests.full.v1", "Zürich", """{"a":"1"}""", "text/plain", "it's \"broken\": ü😀", "7", "blocking", $"{row.Sequence}", "0", "42" }));
        Assert.That(await _database.ScalarAsync<string>($"SELECT {_database.Body} FROM dead_letters"), Is.EqualTo("öä"));
        Assert.That(await _database.CountAsync($"dead_letters WHERE first_failed_at < {_database.Time(TimeSpan.FromSeconds(-80))} AND last_failed_at > {_database.Time(TimeSpan.FromSeconds(-80))} AND created_at IS NOT NULL"), Is.EqualTo(1));
    }

    [Test]
    public async Task Two_rows_of_one_id_are_two_dead_letters()
    {
        var id = Guid.CreateVersion7();
        foreach (var body in new[] { "1", "2" })
            await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) VALUES (@id, 'tests.twice.v1', @body)", ("id", id), ("body", System.Text.Encoding.UTF8.GetBytes(body)));

        Assert.That(await _store.DeadLetterAsync(Dead((await _store.ReadAsync(0, 10, None)).Rows, blocks: false), None));

        Assert.That((await _database.QueryAsync($"SELECT {_database.Body} FROM dead_letters ORDER BY id")).Select(r => r[0]), Is.EqualTo(new[] { "1", "2" }));
    }

    [Test]
    public async Task A_row_that_cannot_be_read_becomes_a_dead_letter_all_the_same()
    {
        await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, headers, body) VALUES (@id, 'tests.bad.v1', 'not json', @body)", ("id", Guid.CreateVersion7()), ("body", new byte[] { 0, 255 }));
        if (dialect == SqlDialect.MySql || dialect == SqlDialect.Sqlite)
            await _database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) VALUES ('order-1', 'tests.bad.v1', x'')");
        var rows = (await _store.ReadAsync(0, 10, None)).Rows;
        Assert.That(rows.Select(r => r.Unreadable), Has.None.Null);

        Assert.That(await _store.DeadLetterAsync(Dead(rows, blocks: false), None));

        Assert.That((await _database.CountAsync("outbox_messages"), await _database.CountAsync("dead_letters WHERE state = 'dead'")), Is.EqualTo((0L, (long)rows.Count)));
    }

    [Test]
    public async Task A_row_that_somebody_else_removed_makes_no_dead_letter_and_is_no_loss_of_the_lease()
    {
        await _database.InsertAsync(key: "k");
        var rows = (await _store.ReadAsync(0, 10, None)).Rows;
        await _database.ExecuteAsync("DELETE FROM outbox_messages");

        Assert.That(await _store.DeadLetterAsync(Dead(rows), None));

        Assert.That(await _database.CountAsync("dead_letters"), Is.Zero);
    }

    [Test]
    public async Task A_stale_token_moves_nothing()
    {
        await InsertFullAsync();
        await InsertScheduledAsync(_database.Time(TimeSpan.FromSeconds(-1)));
        await using var stale = await SqlOutboxStore.OpenAsync(
            new RelaySource { Name = "tests", Dialect = dialect, DataSource = _database.DataSource, Transport = new InMemoryTransport(), Options = new RelayOptions { OnExpired = ExpiredPolicy.Archive } }, 0, _lease.Name, _lease.Token - 1, None);
        var rows = (await stale.ReadAsync(0, 10, None)).Rows;
        List<long> sequences = [.. rows.Select(r => r.Sequence)];

        Assert.That(await stale.DeadLetterAsync(Dead(rows), None), Is.False);
        Assert.That(await stale.ScheduleAsync(sequences, None), Is.False);
        Assert.That(await stale.ExpireAsync(sequences, None), Is.False);
        Assert.That(await stale.ReturnAsync([.. (await stale.ListScheduledAsync(10, None)).Select(r => r.Id)], None), Is.False);

        Assert.That(
            (await _database.CountAsync("outbox_messages"), await _database.CountAsync("outbox_scheduled"), await _database.CountAsync("dead_letters"), await _database.CountAsync("outbox_archive")),
            Is.EqualTo((1L, 1L, 0L, 0L)));
    }

    [Test]
    public async Task The_keys_of_blocking_dead_letters_are_told_and_those_of_others_are_not()
    {
        await _database.InsertAsync(key: "blocked");
        await _database.InsertAsync(key: "free");
        var rows = (await _store.ReadAsync(0, 10, None)).Rows;
        await _store.DeadLetterAsync([new DeadRow(rows[0], "broken", 1, TimeSpan.FromSeconds(60), Blocks: true), new DeadRow(rows[1], "broken", 1, TimeSpan.Zero, Blocks: false)], None);

        var letter = (await _store.ReadBlockingAsync(None)).Single();

        Assert.That((letter.Key, letter.Sequence, letter.Type, letter.Reason), Is.EqualTo(("blocked", rows[0].Sequence, "tests.something.v1", "broken")));
        Assert.That(letter.Age, Is.EqualTo(TimeSpan.FromSeconds(60)).Within(TimeSpan.FromSeconds(10)));
    }

    [Test]
    public async Task A_scheduled_row_leaves_the_outbox_whole_and_comes_back_whole_with_a_new_number_when_it_is_due()
    {
        var id = await InsertFullAsync(_database.Time(TimeSpan.FromHours(1)));
        var row = (await _store.ReadAsync(0, 10, None)).Rows.Single();
        Assert.That(await _store.ScheduleAsync([row.Sequence], None));
        Assert.That((await _database.CountAsync("outbox_messages"), await _database.CountAsync("outbox_scheduled")), Is.EqualTo((0L, 1L)));
        var (scheduled, dueIn) = (await _store.ListScheduledAsync(10, None)).Single();
        Assert.That(dueIn, Is.EqualTo(TimeSpan.FromHours(1)).Within(TimeSpan.FromMinutes(1)));
        await _database.ExecuteAsync($"UPDATE outbox_scheduled SET not_before = {_database.Time(TimeSpan.FromSeconds(-1))}");
        Assert.That((await _store.ListScheduledAsync(10, None)).Single().DueIn, Is.EqualTo(TimeSpan.Zero));

        Assert.That(await _store.ReturnAsync([scheduled], None));

        Assert.That(await _database.CountAsync("outbox_scheduled"), Is.Zero);
        var back = (await _store.ReadAsync(0, 10, None)).Rows.Single();
        var (before, after) = (row.Envelope!, back.Envelope!);
        Assert.That((after.MessageId, after.Type, after.PartitionKey, after.KeySequence, after.ContentType, after.CreatedAt), Is.EqualTo((id, before.Type, before.PartitionKey, before.KeySequence, before.ContentType, before.CreatedAt)));
        Assert.That((after.Headers, Body(back), back.DueIn), Is.EqualTo((before.Headers, "öä", TimeSpan.Zero)));
        Assert.That(back.Sequence, Is.GreaterThan(row.Sequence));
        Assert.That(await _database.CountAsync("outbox_messages WHERE not_before IS NOT NULL"), Is.EqualTo(1), "when it was due stays known");
    }

    [Test]
    public async Task Scheduled_rows_are_listed_and_come_back_earliest_first()
    {
        foreach (var seconds in new[] { -10, -30, 600, -20 })
            await InsertScheduledAsync(_database.Time(TimeSpan.FromSeconds(seconds)), $"{seconds}");

        var listed = await _store.ListScheduledAsync(10, None);
        Assert.That(listed.Select(r => r.DueIn > TimeSpan.Zero), Is.EqualTo(new[] { false, false, false, true }));
        Assert.That(await _store.ReturnAsync([.. listed.Take(3).Select(r => r.Id)], None));

        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Select(Body), Is.EqualTo(new[] { "-30", "-20", "-10" }));
        Assert.That((await _store.ListScheduledAsync(10, None)).Single().DueIn, Is.EqualTo(TimeSpan.FromSeconds(600)).Within(TimeSpan.FromSeconds(60)));
    }

    [TestCase(ExpiredPolicy.Drop)]
    [TestCase(ExpiredPolicy.Archive)]
    public async Task An_expired_row_is_dropped_or_archived_as_expired(ExpiredPolicy policy)
    {
        await _database.InsertAsync();
        await using var store = await SqlOutboxStore.OpenAsync(
            new RelaySource { Name = "tests", Dialect = dialect, DataSource = _database.DataSource, Transport = new InMemoryTransport(), Options = new RelayOptions { OnExpired = policy } }, 0, _lease.Name, _lease.Token, None);

        Assert.That(await store.ExpireAsync([(await store.ReadAsync(0, 10, None)).Rows.Single().Sequence], None));

        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero);
        Assert.That((await _database.QueryAsync("SELECT outcome FROM outbox_archive")).Select(r => r[0]), Is.EqualTo(policy == ExpiredPolicy.Drop ? [] : new[] { "expired" }));
    }

    private static List<DeadRow> Dead(IEnumerable<OutboxRow> rows, bool blocks = true) => [.. rows.Select(r => new DeadRow(r, "broken", 1, TimeSpan.Zero, blocks))];

    private async Task<Guid> InsertFullAsync(string notBefore = "NULL")
    {
        var id = Guid.CreateVersion7();
        await _database.ExecuteAsync(
            $"INSERT INTO outbox_messages (message_id, type, partition_key, key_sequence, headers, content_type, body, not_before) VALUES (@id, 'tests.full.v1', 'Zürich', 42, '{{\"a\":\"1\"}}', 'text/plain', @body, {notBefore})",
            ("id", id), ("body", "öä"u8.ToArray()));
        return id;
    }

    private Task<int> InsertScheduledAsync(string notBefore, string body = "") => _database.ExecuteAsync(
        $"INSERT INTO outbox_scheduled (sequence, {_database.Partition}, content_type, created_at, message_id, type, body, not_before) VALUES (1, 0, 'text/plain', {_database.Time(TimeSpan.Zero)}, @id, 'tests.later.v1', @body, {notBefore})", ("id", Guid.CreateVersion7()), ("body", System.Text.Encoding.UTF8.GetBytes(body)));
}
