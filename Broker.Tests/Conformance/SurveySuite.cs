using System.Data;
using System.Globalization;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>How a source stands, in one statement that everybody who watches shares. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract class SurveySuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(dialect);

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task An_empty_source_is_seen_as_empty()
    {
        var survey = await SurveyAsync();

        Assert.That((survey.Partitions, survey.Change, survey.Backlog, survey.Lag, survey.DeadLetters, survey.BlockedKeys), Is.EqualTo((1, 0, 0L, (TimeSpan?)null, 0L, 0L)));
        Assert.That((survey.Scheduled, survey.Stray, survey.DeferredMessages, survey.Relays.Count, survey.Consumers.Count, survey.Leases.Count), Is.EqualTo((0L, 0L, 0L, 0, 0, 0)));
    }

    [Test]
    public async Task What_waits_is_counted_in_each_partition_with_its_age()
    {
        await _database.SetPartitionsAsync(2);
        await InsertAsync(partition: 0, age: TimeSpan.FromSeconds(90));
        await InsertAsync(partition: 1, age: TimeSpan.FromSeconds(5));
        await InsertAsync(partition: 1, age: TimeSpan.FromSeconds(5));

        var survey = await SurveyAsync(partitions: 2);

        Assert.That(survey.Rows.Select(r => (r.Partition, r.Count, r.IsEstimate)), Is.EqualTo(new[] { (0, 1L, false), (1, 2L, false) }));
        Assert.That(survey.Rows[0].Lag, Is.EqualTo(TimeSpan.FromSeconds(90)).Within(TimeSpan.FromSeconds(10)));
        Assert.That(survey.Backlog, Is.EqualTo(3));
    }

    [Test]
    public async Task The_numbers_that_the_outbox_gives_out_tell_how_much_is_written_also_when_it_is_empty_again()
    {
        await InsertAsync(0, TimeSpan.Zero);
        var before = (await SurveyAsync()).LastSequence;
        for (var i = 0; i < 5; i++)
            await InsertAsync(0, TimeSpan.Zero);
        await _database.ExecuteAsync("DELETE FROM outbox_messages");

        var after = await SurveyAsync();

        Assert.That(after.LastSequence - before, Is.EqualTo(5));
        Assert.That(after.Backlog, Is.Zero);
    }

    [Test]
    public async Task A_change_of_the_partitions_is_seen()
    {
        await _database.ExecuteAsync("UPDATE outbox_settings SET partitions = 4, next_partitions = 8");

        var survey = await SurveyAsync();

        Assert.That((survey.Partitions, survey.Change), Is.EqualTo((4, 8)));
    }

    [Test]
    public async Task Who_lives_and_who_holds_what_is_seen_and_the_dead_are_not()
    {
        foreach (var (owner, seconds) in new[] { ("machine/1/a", 20), ("machine/2/b", -20) })
        {
            await _database.ExecuteAsync($"INSERT INTO relays (owner, expires_at, status) VALUES (@owner, {_database.Time(TimeSpan.FromSeconds(seconds))}, 'said')", ("owner", owner));
            await _database.ExecuteAsync($"INSERT INTO consumer_status (consumer, owner, expires_at, status) VALUES ('stock', @owner, {_database.Time(TimeSpan.FromSeconds(seconds))}, 'said too')", ("owner", owner));
        }
        await _database.ExecuteAsync($"INSERT INTO leases (name, owner, token, expires_at) VALUES ('relay/0', 'machine/1/a', 42, {_database.Time(TimeSpan.FromSeconds(20))})");

        var survey = await SurveyAsync();

        Assert.That(survey.Relays.Select(r => (r.Owner, r.Status)), Is.EqualTo(new[] { ("machine/1/a", "said") }));
        Assert.That(survey.Consumers.Select(c => (c.Consumer, c.Owner, c.Status)), Is.EqualTo(new[] { ("stock", "machine/1/a", "said too") }));
        Assert.That(survey.Relays[0].Running, Is.EqualTo(TimeSpan.Zero).Within(TimeSpan.FromSeconds(10)));
        var lease = survey.Leases.Single();
        Assert.That((lease.Name, lease.Owner, lease.Token), Is.EqualTo(("relay/0", "machine/1/a", 42L)));
        Assert.That(lease.Left, Is.EqualTo(TimeSpan.FromSeconds(20)).Within(TimeSpan.FromSeconds(10)));
    }

    [Test]
    public async Task What_lies_aside_is_counted_by_what_it_waits_for()
    {
        await LetterAsync("relay", "1", "blocking", "k");
        await LetterAsync("relay", "2", "blocking", "k");
        await LetterAsync("relay", "3", "dead", null);
        await LetterAsync("consumer", "stock", "blocking", "q");
        await LetterAsync("relay", "4", "discarded", "z");
        await DeferAsync("stock", "failed");
        await DeferAsync("stock", "behind");
        await DeferAsync("stock", "behind");
        await _database.ExecuteAsync(
            $"INSERT INTO outbox_scheduled ({_database.Partition}, not_before, sequence, message_id, type, content_type, body, created_at) VALUES (0, {_database.Time(TimeSpan.FromHours(1))}, 1, @id, 'tests.later.v1', 'text/plain', @body, {_database.Time(TimeSpan.Zero)})",
            ("id", Guid.CreateVersion7()), ("body", new byte[] { 1 }));
        await InsertAsync(partition: 7, age: TimeSpan.Zero);

        var survey = await SurveyAsync();

        Assert.That((survey.DeadLetters, survey.BlockedKeys, survey.Scheduled, survey.Stray, survey.DeferredMessages), Is.EqualTo((4L, 2L, 1L, 1L, 3L)), "what was discarded waits for nobody");
        Assert.That(survey.Letters.Where(l => l.Count > 0).Select(l => (l.Side, l.State, l.Count)), Is.EquivalentTo(new[] { ("relay", "blocking", 2L), ("relay", "dead", 1L), ("consumer", "blocking", 1L) }));
        Assert.That(survey.Deferred.Select(d => (d.Consumer, d.State, d.Count)), Is.EquivalentTo(new[] { ("stock", "failed", 1L), ("stock", "behind", 2L) }));
    }

    [Test]
    public async Task Counting_ends_at_its_limit()
    {
        for (var i = 0; i < 5; i++)
        {
            await InsertAsync(0, TimeSpan.Zero);
            await LetterAsync("relay", $"{i}", "dead", null);
            await LetterAsync("consumer", $"{i}", "blocking", $"key-{i}");
            await _database.ExecuteAsync("INSERT INTO inbox_messages (consumer, message_id) VALUES ('stock', @id)", ("id", Guid.CreateVersion7()));
        }

        var counts = (await _database.QueryAsync(dialect.Survey(1), ("limit", 3))).GroupBy(r => r[0]!).ToDictionary(g => g.Key, g => g.Max(r => long.Parse(r[3]!, CultureInfo.InvariantCulture)));
        Assert.That((counts["rows"], counts["letters"], counts["keys"]), Is.EqualTo((3L, 3L, 3L)));
        Assert.That((await _database.QueryAsync(dialect.ReadAside, ("partitions", 1), ("limit", 3))).Single().Take(2), Is.EqualTo(new[] { "3", "3" }), "the relays' own look, every ten seconds");
        Assert.That(await _database.ScalarAsync<long>(dialect.CountInbox, ("consumer", "stock"), ("limit", 3)), Is.EqualTo(3));
        Assert.That(await _database.ScalarAsync<long>(dialect.CountInbox, ("consumer", "billing"), ("limit", 3)), Is.Zero);
    }

    [Test]
    public async Task What_waits_is_counted_by_type_over_all_partitions()
    {
        await InsertAsync(0, TimeSpan.FromSeconds(60), "tests.a.v1");
        await InsertAsync(1, TimeSpan.FromSeconds(30), "tests.a.v1");
        await InsertAsync(1, TimeSpan.FromSeconds(10), "tests.b.v1");

        var types = await _database.QueryAsync(dialect.CountWaitingByType(2), ("limit", 100));

        Assert.That(types.Select(t => (t[0], t[1])), Is.EqualTo(new[] { ("tests.a.v1", "2"), ("tests.b.v1", "1") }));
        Assert.That(double.Parse(types[0][2]!, CultureInfo.InvariantCulture), Is.EqualTo(60).Within(10));
    }

    [Test]
    public async Task Actions_are_read_a_page_at_a_time_the_last_first_and_by_who_and_what()
    {
        foreach (var (actor, action) in new[] { ("ada", "redriven"), ("bob", "discarded"), ("ada", "discarded") })
            await _database.ExecuteAsync("INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason) VALUES (7, 'consumer', 'stock', @id, @action, @actor, 'because')", ("id", Guid.CreateVersion7()), ("action", action), ("actor", actor));

        var first = await ActionsAsync(long.MaxValue, 2);
        Assert.That(first.Select(a => (a[7], a[6], a[2], a[9])), Is.EqualTo(new[] { ("ada", "discarded", "7", "0"), ("bob", "discarded", "7", "0") }));
        Assert.That((await ActionsAsync(long.Parse(first[^1][0]!, CultureInfo.InvariantCulture), 2)).Select(a => (a[7], a[6])), Is.EqualTo(new[] { ("ada", "redriven") }));
        Assert.That((await ActionsAsync(long.MaxValue, 9, actor: "ada", action: "discarded")).Count, Is.EqualTo(1));
    }

    private async Task<SourceSurvey> SurveyAsync(int partitions = 1)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command(dialect.PrepareSurveyConnection).ExecuteAsync(None);
        return await SourceSurvey.ReadAsync(connection, partitions, None);
    }

    private async Task<IReadOnlyList<string?[]>> ActionsAsync(long before, int limit, string? actor = null, string? action = null)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var command = connection.Command(dialect.ListActions).With("before", before).With("limit", limit).With("actor", actor, DbType.String).With("action", action, DbType.String);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string?[]>();
        while (await reader.ReadAsync())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture))]);
        return rows;
    }

    private Task<int> InsertAsync(short partition, TimeSpan age, string type = "tests.something.v1") => _database.ExecuteAsync(
        $"INSERT INTO outbox_messages (message_id, {_database.Partition}, type, body, created_at) VALUES (@id, @partition, @type, @body, {_database.Time(-age)})",
        ("id", Guid.CreateVersion7()), ("partition", partition), ("type", type), ("body", new byte[] { 1 }));

    private async Task LetterAsync(string side, string consumer, string state, string? key)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command(dialect.InsertDeadLetter)
            .With("side", side).With("consumer", consumer).With("source", "tests").With("message_id", Guid.CreateVersion7()).With("original_id", null, DbType.String).With("type", "tests.dead.v1").With("partition_key", key, DbType.String)
            .With("headers", null, DbType.String).With("content_type", "text/plain").With("body", new byte[] { 1 }).With("reason", "broken").With("error", null, DbType.String).With("attempts", 1).With("state", state)
            .ExecuteAsync(None);
    }

    private Task<int> DeferAsync(string consumer, string state) => _database.ExecuteAsync(
        "INSERT INTO deferred_messages (consumer, message_id, body, state, attempts) VALUES (@consumer, @id, @body, @state, 1)", ("consumer", consumer), ("id", Guid.CreateVersion7()), ("body", new byte[] { 1 }), ("state", state));
}
