using System.Data.Common;
using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>The plans of PostgreSQL's statements. Its planner believes statistics that were taken while the outbox was empty, as they mostly are.</summary>
internal sealed partial class PostgreSqlPlanTests
{
    private static readonly SqlDialect Dialect = SqlDialect.PostgreSql;

    [Test]
    public async Task Old_inbox_rows_are_found_by_their_age()
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await connection.Command("INSERT INTO inbox_messages (consumer, message_id, received_at) SELECT 'stock', gen_random_uuid(), clock_timestamp() - interval '10 days' FROM generate_series(1, 20000)").ExecuteAsync(CancellationToken.None);
        await connection.Command("ANALYZE inbox_messages").ExecuteAsync(CancellationToken.None);

        await using var explain = connection.Command("EXPLAIN (COSTS OFF) " + Dialect.DeleteOldInbox[Dialect.DeleteOldInbox.IndexOf("DELETE", StringComparison.Ordinal)..]).With("consumer", "stock").With("seconds", 604_800L).With("from", DateTime.UnixEpoch).With("limit", 200);
        var plan = await PlanAsync(explain);

        Assert.That(plan, Has.Some.Contains("Index Scan using ix_inbox_messages_received_at"), string.Join('\n', plan));
        Assert.That(plan, Has.None.Contains("Seq Scan").And.None.Contains("Sort"));
    }

    private static IEnumerable<TestCaseData> Forgetting()
    {
        static TestCaseData Case(string name, string statement, string index, string from) => new TestCaseData(statement, index, from).SetArgDisplayNames(name);
        yield return Case("inbox", Dialect.DeleteOldInbox, "ix_inbox_messages_received_at", "received_at >=");
        yield return Case("inbox of anyone", Dialect.DeleteOldInboxOfAnyone, "ix_inbox_messages_received_at", "received_at >=");
        yield return Case("calls", Dialect.DeleteOldCalls, "ix_inbox_messages_received_at", "received_at >=");
        yield return Case("sagas", Dialect.DeleteOldSagas, "ix_sagas_updated_at", "updated_at >=");
        yield return Case("entries of sagas", Dialect.DeleteOldSagaSteps, "ix_saga_steps_happened_at", "happened_at >=");
        yield return Case("archive", Dialect.DeleteOldArchive, "ix_outbox_archive_published_at", "published_at >=");
        yield return Case("receipts", Dialect.DeleteOldReceipts, "ix_receipts_received_at", "received_at >=");
        yield return Case("requests of receipts", Dialect.DeleteOldReceiptRequests, "ix_receipt_requests_requested_at", "requested_at >=");
        yield return Case("decisions", Dialect.DeleteOldDecisions, "ix_transaction_decisions_outcome", "decided_at >=");
        yield return Case("markers", Dialect.DeleteOldMarkers, "ix_transaction_markers_created_at", "created_at >=");
        yield return Case("discarded letters", Dialect.DeleteDiscardedLetters, "pk_dead_letters", "id >");
        yield return Case("records of actions", Dialect.DeleteOldLetterActions, "pk_dead_letter_actions", "id >");
    }

    [TestCaseSource(nameof(Forgetting))]
    public async Task What_forgets_begins_where_the_batch_before_ended_and_sorts_nothing(string statement, string index, string from)
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var (setting, delete) = (statement[..statement.IndexOf("DELETE", StringComparison.Ordinal)], statement[statement.IndexOf("DELETE", StringComparison.Ordinal)..]);
        await connection.Command(setting, transaction).ExecuteAsync(CancellationToken.None);

        await using var explain = connection.Command("EXPLAIN (COSTS OFF) " + delete, transaction)
            .With("consumer", "stock").With("type", "checkout").With("outcome", "committed").With("seconds", 604_800L).With("limit", 200).With("from", DateTime.UnixEpoch).With("after", 0L);
        var plan = await PlanAsync(explain);

        Assert.That(plan, Has.Some.Contains($"Index Scan using {index}"), string.Join('\n', plan));
        Assert.That(plan, Has.Some.Contains("Index Cond").And.Contains(from), string.Join('\n', plan));
        Assert.That(plan, Has.None.Contains("Sort"), string.Join('\n', plan));
    }

    private static IEnumerable<TestCaseData> LooksForKeys()
    {
        static TestCaseData Case(string name, string statement) => new TestCaseData(statement).SetArgDisplayNames(name);
        yield return Case("does the key wait", Dialect.InsertInboxInOrder);
        yield return Case("which keys wait", Dialect.FindDeferredKeys);
        yield return Case("hold", Dialect.LockDeferred);
        yield return Case("what follows", Dialect.ReadDeferredOfKey);
        yield return Case("promote", Dialect.PromoteDeferred);
    }

    [TestCaseSource(nameof(LooksForKeys))]
    public async Task A_key_is_looked_for_by_its_own_index_when_many_messages_fail_where_there_was_one(string statement)
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        async Task ExecuteAsync(string sql) => await connection.Command(sql).ExecuteAsync(CancellationToken.None);
        Task FailAsync(int messages) => ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO deferred_messages (consumer, message_id, partition_key, body, state, attempts, next_attempt_at)
            SELECT 'stock', gen_random_uuid(), 'key-' || number, convert_to(repeat('x', 1000), 'UTF8'), 'failed', 1, clock_timestamp() FROM generate_series(1, {messages}) AS number
            """));
        // What an autovacuum finds after a quiet hour, and what comes in the minute after it.
        await FailAsync(300);
        await ExecuteAsync("DELETE FROM deferred_messages WHERE id < (SELECT max(id) FROM deferred_messages)");
        await ExecuteAsync("VACUUM (ANALYZE, INDEX_CLEANUP ON) deferred_messages");
        await FailAsync(3_000);
        var keys = Enumerable.Range(1, 100).Select(i => string.Create(CultureInfo.InvariantCulture, $"key-{i}")).ToList();
        var ids = Enumerable.Range(301, 20).Select(i => (long)i).ToArray();

        await using var transaction = await connection.BeginTransactionAsync();
        await using var explain = connection.Command("EXPLAIN (ANALYZE, TIMING OFF) " + statement, transaction)
            .With("consumer", "stock").With("message_id", Guid.CreateVersion7()).With("operation", "").With("key", "key-1").With("keys", Dialect.KeysParameter(keys)).With("ids", ids).With("limit", 10);
        var plan = await PlanAsync(explain);

        Assert.That(plan, Has.Some.Contains("using ix_deferred_messages_key"), string.Join('\n', plan));
        // Promotion passes over the first of each key that is due anyway.
        Assert.That(plan.Select(line => Removed().Match(line)).Where(m => m.Success).Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)), Is.All.LessThanOrEqualTo(keys.Count), string.Join('\n', plan));
    }

    [Test]
    public async Task What_a_batch_takes_back_from_the_inbox_is_found_by_its_keys_where_the_statistics_know_of_one_row()
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        async Task ExecuteAsync(string sql) => await connection.Command(sql).ExecuteAsync(CancellationToken.None);
        await ExecuteAsync("INSERT INTO inbox_messages (consumer, message_id) SELECT 'stock', gen_random_uuid() FROM generate_series(1, 20000)");
        await ExecuteAsync("INSERT INTO inbox_messages (consumer, message_id, operation) SELECT 'stock', gen_random_uuid(), 'kept' FROM generate_series(1, 1)");
        await ExecuteAsync("DELETE FROM inbox_messages WHERE operation = ''");
        await ExecuteAsync("VACUUM (ANALYZE, TRUNCATE OFF) inbox_messages");
        await ExecuteAsync("INSERT INTO inbox_messages (consumer, message_id) SELECT 'stock', gen_random_uuid() FROM generate_series(1, 20000)");

        await using var transaction = await connection.BeginTransactionAsync();
        var ids = Enumerable.Range(0, 20).Select(_ => Guid.CreateVersion7()).ToArray();
        await ExecuteInsideAsync("INSERT INTO inbox_messages (consumer, message_id) SELECT 'stock', unnest(@ids)");
        await using var explain = connection.Command("EXPLAIN (ANALYZE, TIMING OFF) " + Dialect.DeleteManyInbox, transaction).With("consumer", "stock").With("message_ids", ids).With("operation", "");
        var plan = await PlanAsync(explain);

        Assert.That(plan, Has.None.Contains("Rows Removed").And.None.Contains("Seq Scan"), string.Join('\n', plan));
        Assert.That(await connection.Command("SELECT count(*) FROM inbox_messages", transaction).ScalarAsync(CancellationToken.None), Is.EqualTo(20_001L));

        async Task ExecuteInsideAsync(string sql) => await connection.Command(sql, transaction).With("ids", ids).ExecuteAsync(CancellationToken.None);
    }

    [Test]
    public async Task A_batch_costs_as_many_rows_as_it_has_whatever_the_statistics_say()
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        async Task ExecuteAsync(string sql) => await connection.Command(sql).ExecuteAsync(CancellationToken.None);
        await ExecuteAsync("ANALYZE outbox_messages");
        await ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body, not_before) SELECT gen_random_uuid(), 'plan.tried.v1', '', clock_timestamp() FROM generate_series(1, 20000)");
        await ExecuteAsync("INSERT INTO leases (name, owner, token, expires_at) VALUES ('relay/0', 'plan', 1, 'infinity')");
        await ExecuteAsync(Dialect.PrepareRelayConnection);

        foreach (var statement in (string[])[Dialect.FetchMessages, Dialect.SettleMessages, .. Dialect.ArchiveMessages, .. Dialect.ScheduleMessages, Dialect.ListSequences([(1, 1)])])
        {
            await using var command = connection.Command("EXPLAIN (ANALYZE, TIMING OFF) " + statement).With("partition", (short)0);
            if (statement == Dialect.ListSequences([(1, 1)]))
            {
                Dialect.BindSpans(command, [.. Enumerable.Range(0, 100).Select(i => ((long)(i * 10) + 1, (long)(i * 10) + 5))]);
                command.With("limit", 1_000);
            }
            else
            {
                command.With("sequences", Dialect.SequencesParameter([.. Enumerable.Range(1, 500).Select(i => (long)i)])).With("lease", "relay/0").With("token", 1L).With("outcome", "published");
            }
            // What ANALYZE did is not to be kept: the next statement wants the rows as well.
            await using var transaction = await connection.BeginTransactionAsync();
            command.Transaction = transaction;
            var plan = await PlanAsync(command);
            await transaction.RollbackAsync();
            var touched = plan.Select(line => Rows().Match(line)).Where(m => m.Success).Max(m => long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) * long.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));
            Assert.That(touched, Is.InRange(500, 1_000), string.Join('\n', plan));
            Assert.That(plan, Has.None.Contains("Rows Removed"), string.Join('\n', plan));
        }
    }

    [Test]
    [NonParallelizable]
    public async Task A_row_that_is_read_and_confirmed_leaves_little_garbage()
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) SELECT gen_random_uuid(), 'plan.tried.v1', decode(repeat('61', 1024), 'hex') FROM generate_series(1, 4000)");
        var source = new RelaySource { Name = "tests", Dialect = Dialect, DataSource = database.DataSource, Transport = new InMemoryTransport() };
        await using var store = await SqlOutboxStore.OpenAsync(source, 0, "relay/0", 1, CancellationToken.None);
        var least = long.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var (rows, _) = await store.ReadAsync(0, 1_000, CancellationToken.None);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / rows.Count);
            foreach (var row in rows)
                row.GiveBack();
        }

        // The row and its envelope. Bodies and the texts that rows have in common are there already.
        Assert.That(least, Is.LessThan(300));
    }

    private static async Task<List<string>> PlanAsync(DbCommand explain)
    {
        await using var reader = await explain.ExecuteReaderAsync();
        var plan = new List<string>();
        while (await reader.ReadAsync())
            plan.Add(reader.GetString(0));
        return plan;
    }

    [GeneratedRegex("actual rows=([0-9]+) loops=([0-9]+)")]
    private static partial Regex Rows();

    [GeneratedRegex("Rows Removed by Filter: ([0-9]+)")]
    private static partial Regex Removed();
}
