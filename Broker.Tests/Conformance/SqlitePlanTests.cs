using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>The plans of SQLite's statements.</summary>
internal sealed class SqlitePlanTests
{
    private static readonly SqlDialect Dialect = SqlDialect.Sqlite;

    private static IEnumerable<TestCaseData> Forgetting()
    {
        static TestCaseData Case(string name, string statement, string search) => new TestCaseData(statement, search).SetArgDisplayNames(name);
        yield return Case("inbox", Dialect.DeleteOldInbox, "inbox_messages USING INDEX ix_inbox_messages_received_at (received_at>? AND received_at<?)");
        yield return Case("inbox of anyone", Dialect.DeleteOldInboxOfAnyone, "inbox_messages USING INDEX ix_inbox_messages_received_at (received_at>? AND received_at<?)");
        yield return Case("calls", Dialect.DeleteOldCalls, "inbox_messages USING INDEX ix_inbox_messages_received_at (received_at>? AND received_at<?)");
        yield return Case("sagas", Dialect.DeleteOldSagas, "sagas USING INDEX ix_sagas_updated_at (updated_at>? AND updated_at<?)");
        yield return Case("entries of sagas", Dialect.DeleteOldSagaSteps, "saga_steps USING INDEX ix_saga_steps_happened_at (happened_at>? AND happened_at<?)");
        yield return Case("archive", Dialect.DeleteOldArchive, "outbox_archive USING COVERING INDEX ix_outbox_archive_published_at (published_at>? AND published_at<?)");
        yield return Case("decisions", Dialect.DeleteOldDecisions, "transaction_decisions USING COVERING INDEX ix_transaction_decisions_outcome (outcome=? AND decided_at>? AND decided_at<?)");
        yield return Case("markers", Dialect.DeleteOldMarkers, "transaction_markers USING COVERING INDEX ix_transaction_markers_created_at (created_at>? AND created_at<?)");
        yield return Case("discarded letters", Dialect.DeleteDiscardedLetters, "dead_letters USING INTEGER PRIMARY KEY (rowid>?)");
        yield return Case("records of actions", Dialect.DeleteOldLetterActions, "dead_letter_actions USING INTEGER PRIMARY KEY (rowid>?)");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task One_saga_and_those_of_a_status_are_found_by_an_index(bool one)
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);

        var plan = (await database.QueryAsync(
            "EXPLAIN QUERY PLAN " + (one ? Dialect.FindSaga : Dialect.ListSagasOfStatus),
            ("type", "checkout"), ("id", "1"), ("status", "parked"), ("before", DateTime.UnixEpoch), ("last_type", DBNull.Value), ("last_id", DBNull.Value), ("limit", 50))).Select(r => r[3]).ToList();

        Assert.That(plan, Has.Some.EqualTo("SEARCH s USING INDEX " + (one ? "sqlite_autoindex_sagas_1 (type=? AND id=?)" : "ix_sagas_status (status=? AND updated_at<?)")), string.Join('\n', plan));
    }

    [TestCaseSource(nameof(Forgetting))]
    public async Task What_forgets_begins_where_the_batch_before_ended_and_sorts_nothing(string statement, string search)
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);

        var plan = (await database.QueryAsync(
            "EXPLAIN QUERY PLAN " + statement,
            ("consumer", "stock"), ("type", "checkout"), ("outcome", "committed"), ("seconds", 604_800L), ("limit", 200), ("from", DateTime.UnixEpoch), ("after", 0L))).Select(r => r[3]).ToList();

        Assert.That(plan, Has.Some.EqualTo("SEARCH " + search), string.Join('\n', plan));
        Assert.That(plan, Has.None.Contains("TEMP B-TREE").And.None.StartsWith("SCAN"), string.Join('\n', plan));
    }
}
