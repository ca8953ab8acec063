using System.Text;
using System.Text.RegularExpressions;
using Broker.Tests.Support;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What can be known of the statements for SQL Server without one: that its grammar takes them, and that every name in them means something.</summary>
internal sealed partial class TransactSqlTests
{
    private static readonly TransactSqlTables Tables = TransactSqlTables.Of(SqlDialect.SqlServer.CreateTables);

    /// <summary>What the product binds. A statement that is missing here fails its test.</summary>
    private static readonly Dictionary<string, string[]> Parameters = new(StringComparer.Ordinal)
    {
        ["CreateTables"] = [],
        ["ReadSchemaVersion"] = [],
        ["FindOutbox"] = [],
        ["CheckTables"] = [],
        ["DescribeColumns"] = [],
        ["DescribeIndexes"] = [],
        ["PrepareRelayConnection"] = [],
        ["InsertMessage"] = ["message_id", "partition", "partition_key", "key_sequence", "type", "headers", "content_type", "body", "not_before", "expires_at"],
        ["ReadMessages"] = ["partition", "after", "limit"],
        ["FetchMessages"] = ["partition", "sequences"],
        ["ListSequences(spans)"] = ["partition", "limit", "spans"],
        ["ListUncommitted(spans)"] = ["partition", "limit", "spans"],
        ["SettleMessages"] = ["partition", "sequences", "lease", "token"],
        ["ArchiveMessages[0]"] = ["partition", "sequences", "lease", "token", "outcome"],
        ["ScheduleMessages[0]"] = ["partition", "sequences", "lease", "token"],
        ["ListScheduled"] = ["partition", "limit"],
        ["ReturnMessages[0]"] = ["partition", "sequences", "lease", "token"],
        ["ReturnMessages[1]"] = ["partition", "sequences", "lease", "token"],
        ["DeleteOldArchive"] = ["seconds", "limit", "from"],
        ["DeleteDiscardedLetters"] = ["seconds", "limit", "after"],
        ["DeleteOldLetterActions"] = ["seconds", "limit", "after"],
        ["DeleteOldInboxOfAnyone"] = ["seconds", "limit", "from"],
        ["CountRedrives"] = ["ids"],
        ["InsertSaga"] = ["type", "id", "status", "step", "operation", "round", "attempt", "entries", "state", "wait"],
        ["ReadSaga"] = ["type", "id"],
        ["UpdateSaga"] = ["type", "id", "version", "status", "step", "operation", "round", "attempt", "entries", "given_up", "state", "reason", "trouble", "wait"],
        ["InsertSagaSteps(entries)"] =
        [
            "type", "id", "number0", "step0", "operation0", "event0", "attempt0", "message_id0", "actor0", "reason0", "number1", "step1", "operation1", "event1", "attempt1", "message_id1", "actor1", "reason1",
        ],
        ["InsertDelayedMessage"] = ["message_id", "partition", "partition_key", "key_sequence", "type", "headers", "content_type", "body", "wait", "expires_at"],
        ["FindOperation"] = ["consumer", "message_id", "operation"],
        ["DeleteOldCalls"] = ["consumer", "seconds", "limit", "from"],
        ["DeleteOldSagas"] = ["type", "seconds", "limit", "from"],
        ["DeleteOldSagaSteps"] = ["type", "seconds", "limit", "from"],
        ["ListSagas"] = ["before", "last_type", "last_id", "type", "status", "id", "limit"],
        ["ListSagasOfStatus"] = ["before", "last_type", "last_id", "type", "status", "id", "limit"],
        ["FindSaga"] = ["type", "id"],
        ["DeleteSagaSteps"] = ["type", "id"],
        ["ReadSagaSteps"] = ["type", "id"],
        ["CountSagas"] = ["limit"],
        ["CountRelays"] = [],
        ["AcquireLease"] = ["name", "owner", "milliseconds"],
        ["RenewLease"] = ["name", "token", "milliseconds"],
        ["ReleaseLease"] = ["name", "token"],
        ["AcquireLock"] = ["name", "owner", "milliseconds"],
        ["ReadFence"] = ["name", "token"],
        ["RaiseFence"] = ["name", "token"],
        ["StealLease"] = ["name", "owner", "token"],
        ["DeleteLease"] = ["name", "token"],
        ["ListLocks"] = ["pattern"],
        ["RecordLockAction"] = ["name", "actor", "reason"],
        ["ListLeases"] = ["pattern"],
        ["DeleteOldLeases"] = ["pattern"],
        ["CheckLease"] = ["name", "token"],
        ["PrepareBeatConnection"] = [],
        ["ReadPartitions"] = [],
        ["RemoveRelay"] = ["owner"],
        ["Beat(held, floors)"] = ["owner", "milliseconds", "status", "n0", "t0", "n1", "t1", "p0", "f0", "p1", "f1"],
        ["Look(floors)"] = ["owner", "p0", "f0", "p1", "f1"],
        ["FindRows(floors)"] = ["p0", "f0", "p1", "f1"],
        ["ReadSettings"] = [],
        ["PlanPartitions"] = ["partitions", "lease", "token"],
        ["TurnPartitions"] = ["partitions", "old", "lease", "token"],
        ["EndPartitions"] = ["old", "lease", "token"],
        ["NextPartition"] = ["after"],
        ["ReadKeys"] = ["partition", "after", "limit"],
        ["NextUncommittedPartition"] = ["after"],
        ["ReadUncommittedKeys"] = ["partition", "after", "limit"],
        ["ReadScheduledKeys"] = ["after", "limit"],
        ["ReadDeadLetterKeys"] = ["after", "limit"],
        ["MoveMessages"] = ["partition", "sequences", "target", "lease", "token"],
        ["MoveScheduled"] = ["sequences", "target", "lease", "token"],
        ["MoveDeadLetters"] = ["sequences", "target", "lease", "token"],
        ["RenewLeases(held)"] = ["milliseconds", "n0", "t0", "n1", "t1"],
        ["InsertInbox"] = ["consumer", "message_id", "operation"],
        ["InsertManyInbox"] = ["consumer", "message_ids", "operation"],
        ["DeleteOldInbox"] = ["consumer", "seconds", "limit", "from"],
        ["InsertDeadLetter"] = ["side", "consumer", "source", "message_id", "original_id", "type", "partition_key", "headers", "content_type", "body", "reason", "error", "attempts", "state"],
        ["DeadLetterMessages[0]"] = ["partition", "letters", "lease", "token"],
        ["DeadLetterMessages[1]"] = ["partition", "letters", "lease", "token", "source"],
        ["DeadLetterMessages[2]"] = ["partition", "sequences", "lease", "token"],
        ["ReadBlocking"] = ["partition"],
        ["RedriveDeadLetters[0]"] = ["ids"],
        ["RedriveDeadLetters[1]"] = ["ids"],
        ["RedriveDeadLetters[2]"] = ["ids"],
        ["RedriveDeadLetters[3]"] = ["ids"],
        ["DiscardDeadLetters"] = ["ids", "note"],
        ["PrepareSurveyConnection"] = [],
        ["Survey(partitions)"] = ["limit"],
        ["CountWaitingByType(partitions)"] = ["limit"],
        ["CountInbox"] = ["consumer", "limit"],
        ["ListActions"] = ["before", "limit", "actor", "action"],
        ["ReadAside"] = ["partitions", "limit"],
        ["ReadRelayStatus"] = [],
        ["MeasureArchive"] = ["from", "to", "type", "key", "after"],
        ["ReadArchive"] = ["from", "to", "type", "key", "after", "last", "limit"],
        ["InsertReceiptRequest"] = ["message_id", "type"],
        ["InsertReceipt"] = ["message_id", "consumer", "outcome", "reason", "occurred_at"],
        ["InsertConsumer"] = ["name", "type"],
        ["ReadReceipts"] = ["message_ids"],
        ["ReadReceiptRequests"] = ["message_ids"],
        ["ReadConsumers"] = ["seconds"],
        ["DeleteOldReceipts"] = ["seconds", "limit", "from"],
        ["DeleteOldReceiptRequests"] = ["seconds", "limit", "from"],
        ["DeleteOldConsumers"] = ["seconds"],
        ["InsertMarker"] = ["transaction_id", "branch"],
        ["FindMarker"] = ["transaction_id", "branch"],
        ["ReadCoordinator"] = ["name"],
        ["InsertCoordinator"] = ["name", "origin"],
        ["RaiseIncarnation"] = ["name", "actor", "reason"],
        ["InsertDecision"] = ["transaction_id", "coordinator", "decision", "reason", "decided_by", "branches"],
        ["FindDecision"] = ["transaction_id"],
        ["ListUnfinished"] = ["coordinator", "seconds", "limit"],
        ["ListDecisions"] = ["coordinator", "limit"],
        ["ListHeuristic"] = ["coordinator", "limit"],
        ["FinishDecision"] = ["transaction_id"],
        ["RecordOutcome"] = ["transaction_id", "outcome", "branches"],
        ["DeleteOldDecisions"] = ["seconds", "limit", "from", "outcome"],
        ["DeleteOldMarkers"] = ["seconds", "limit", "from"],
        ["ReadBacklog"] = ["partition", "limit"],
        ["StrayPartition"] = ["partitions"],
        ["InsertInboxInOrder"] = ["consumer", "message_id", "operation", "key"],
        ["DeleteManyInbox"] = ["consumer", "message_ids", "operation"],
        ["FindDeferredKeys"] = ["consumer", "keys"],
        ["InsertDeferred(messages)"] = ["consumer", "message_id0", "partition_key0", "key_sequence0", "source0", "original_id0", "type0", "headers0", "content_type0", "body0", "state0", "attempts0", "reason0", "error0", "wait0", "message_id1", "partition_key1", "key_sequence1", "source1", "original_id1", "type1", "headers1", "content_type1", "body1", "state1", "attempts1", "reason1", "error1", "wait1"],
        ["CountMovingRows"] = [],
        ["CountMovingDeferred"] = [],
        ["ListWaitingRows"] = [],
        ["ListWaitingDeferred"] = [],
        ["ListDeferred"] = ["consumer", "busy", "limit"],
        ["ReadDeferredOfKey"] = ["consumer", "key", "limit"],
        ["LockDeferred"] = ["consumer", "ids"],
        ["DeleteDeferred"] = ["ids"],
        ["PromoteDeferred"] = ["consumer", "keys"],
        ["ParkDeferred"] = ["ids"],
        ["UnparkDeferred"] = ["consumer", "state"],
        ["LockInboxKeys"] = ["consumer", "source", "keys"],
        ["AddInboxKeys"] = ["consumer", "source", "numbers"],
        ["MoveInboxKeys"] = ["consumer", "source", "numbers"],
        ["ChangeInboxKey"] = ["consumer", "source", "key", "last", "skipped"],
        ["PromoteNumbers"] = ["consumer", "numbers"],
        ["ReadNumbersOfKey"] = ["consumer", "key", "after", "limit"],
        ["WaitForNumber"] = ["id", "state", "reason", "wait"],
        ["FindLowerNumber"] = ["consumer", "source", "key", "last", "number"],
        ["ListGaps"] = ["consumer", "limit"],
        ["WriteConsumerStatus"] = ["consumer", "owner", "milliseconds", "status"],
        ["RemoveConsumerStatus"] = ["consumer", "owner"],
        ["ListConsumerStatus"] = [],
        ["DeferAgain(messages)"] = ["id0", "state0", "attempts0", "reason0", "error0", "wait0", "id1", "state1", "attempts1", "reason1", "error1", "wait1"],
        ["MoveSavepoint"] = [],
        ["BuryDeferred"] = ["id", "attempts", "reason", "empty"],
        ["HoldDeadLetters"] = ["ids"],
        ["RecordDeadLetterActions"] = ["ids", "action", "actor", "reason", "keeps_body"],
        ["ReadConsumerLetters"] = ["ids"],
        ["DeleteConsumerLetters"] = ["ids"],
        ["EditDeadLetter"] = ["id", "body"],
        ["RestoreDeferred"] = ["consumer", "message_id", "type", "headers", "content_type", "body"],
        ["FindBuried"] = ["consumer", "message_id"],
        ["ListDeadLetterActions"] = ["id", "limit"],
        ["ScanMessages"] = ["partition", "after", "limit", "message_id"],
        ["ScanScheduled"] = ["after", "limit", "message_id"],
        ["ReadWaitingMessage"] = ["partition", "sequence"],
        ["ReadScheduledMessage"] = ["id"],
        ["FindArchived"] = ["message_id"],
        ["FindDeadLetters"] = ["message_id"],
        ["NextConsumer"] = ["after"],
        ["FindApplied"] = ["consumer", "message_id"],
        ["FindDeferred"] = ["consumer", "message_id"],
        ["FindDeadLetterActions"] = ["message_id"],
        ["ListDeferredMessages"] = ["after", "limit", "consumer", "state", "type", "key"],
        ["ListDeferredMessagesBack"] = ["after", "limit", "consumer", "state", "type", "key"],
        ["ListDeadLetters"] = ["after", "limit", "ids", "side", "consumer", "type", "key", "state", "since", "text"],
        ["ListDeadLettersBack"] = ["after", "limit", "ids", "side", "consumer", "type", "key", "state", "since", "text"],
        ["ListDeadLettersByFailure"] = ["after", "limit", "ids", "side", "consumer", "type", "key", "state", "since", "text", "at"],
        ["ListDeadLettersByFailureBack"] = ["after", "limit", "ids", "side", "consumer", "type", "key", "state", "since", "text", "at"],
        ["ReadDeadLetter"] = ["id", "limit"],
        ["CountDeadLetters"] = ["ids", "side", "consumer", "type", "key", "state", "since", "text"],
        ["ReadLastNumber"] = [],
    };

    private static IEnumerable<TestCaseData> Statements => TransactSql.Statements.Select(s => new TestCaseData(s.Name, s.Text).SetArgDisplayNames(s.Name));

    [Test]
    public void Every_statement_is_approved()
    {
        var text = new StringBuilder("-- Every statement that the product can send to SQL Server.\n");
        foreach (var (name, statement) in TransactSql.Statements)
            text.Append("\n-- ").Append(name).Append('\n').Append(statement.TrimEnd()).Append("\nGO\n");
        Approved.Verify("SqlServer.statements.sql", text.ToString());
        Assert.That(TransactSql.Statements.Select(s => s.Name), Is.EquivalentTo(Parameters.Keys));
    }

    [TestCaseSource(nameof(Statements))]
    public void A_statement_is_in_the_grammar_of_SQL_Server_2022(string name, string text) =>
        Assert.That(TransactSql.Parse(text).Errors, Is.Empty, name);

    [TestCaseSource(nameof(Statements))]
    public void A_statement_names_only_tables_columns_and_parameters_that_there_are(string name, string text)
    {
        var names = new TransactSqlNames(TransactSql.Parse(text).Script, Tables);

        Assert.That(names.Wrong, Is.Empty);
        Assert.That(names.Parameters, Is.EquivalentTo(Parameters[name]), "the parameters that are bound");
        Assert.That(names.Columns, Is.GreaterThan(0).Or.EqualTo(name.StartsWith("Prepare", StringComparison.Ordinal) || name == "MoveSavepoint" ? 0 : -1));
    }

    [TestCaseSource(nameof(Statements))]
    public void A_statement_makes_no_SQL_of_its_own(string name, string text)
    {
        var script = TransactSql.Parse(text).Script;

        Assert.That(TransactSql.All<ExecutableStringList>(script), Is.Empty, "EXEC of a text");
        Assert.That(TransactSql.All<ExecutableProcedureReference>(script).Select(p => p.ProcedureReference.ProcedureReference.Name.BaseIdentifier.Value), Is.All.EqualTo("sp_getapplock"));
        Assert.That(TransactSql.All<BinaryExpression>(script).SelectMany(b => new[] { b.FirstExpression, b.SecondExpression }).OfType<StringLiteral>(), Is.Empty, $"{name} joins texts");
    }

    // A row that two sessions hold each one half of is two rows; every table needs its order, and the name is what an error tells.
    [Test]
    public void Every_table_has_a_clustered_primary_key_of_its_own_name() =>
        Assert.That(Tables.Names, Is.All.Matches<string>(table => Tables.Shape.Any(line => line.StartsWith($"{table}: clustered primary key pk_{table} (", StringComparison.Ordinal))));

    /// <summary>What the tests themselves send, read from their sources: files whose tests run on SQL Server too. What is meant for another engine alone is known by its words.</summary>
    [Test]
    public void What_the_tests_send_is_in_the_grammar_too()
    {
        string[] folders = ["Support", "Conformance", "Crash", "EndToEnd"];
        string[] others = ["LateCommitTests.cs", "TestPostgreSql.cs", "TestMySql.cs", "TestSqlite.cs", "MigrationTests.cs", "OldOutbox.cs"];
        var files = folders.SelectMany(f => Directory.EnumerateFiles(Path.Combine(Approved.Root, "Broker.Tests", f), "*.cs")).Where(f => !others.Contains(Path.GetFileName(f)));
        var statements = files.SelectMany(f => Literal().Matches(File.ReadAllText(f)).Select(m => (File: Path.GetFileName(f), Text: Hole().Replace(m.Groups["raw"].Success ? m.Groups["raw"].Value : m.Groups["text"].Value, "hole"))))
            .Where(s => Begin().IsMatch(s.Text) && !s.Text.EndsWith(' ') && !OtherEngines().IsMatch(s.Text)).ToList();

        Assert.That(statements.Select(s => s.File).Distinct(), Is.SupersetOf(new[] { "TestSqlServer.cs", "TestDatabase.cs", "SqlServerTests.cs", "OutboxStoreSuite.cs", "SchemaSuite.cs" }), "the sources are read");
        Assert.That(statements.SelectMany(s => TransactSql.Parse(s.Text).Errors.Select(e => $"{s.File}: {e} in: {s.Text}")), Is.Empty);
    }

    // 1,700 bytes for an index and 900 for a clustered key; two bytes for a character. What is longer fails only when such a row comes.
    [Test]
    public void No_key_can_become_longer_than_the_server_allows()
    {
        static int Bytes(string column) => column switch
        {
            _ when Regex.Match(column, @"nvarchar\((\d+)\)") is { Success: true } m => 2 * int.Parse(m.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture),
            _ when column.Contains("uniqueidentifier", StringComparison.Ordinal) => 16,
            _ when column.Contains("(max)", StringComparison.Ordinal) => int.MaxValue / 100,
            _ => 8,
        };

        foreach (var line in Tables.Shape.Where(l => !l.Contains(": column ", StringComparison.Ordinal)))
        {
            var table = line[..line.IndexOf(':', StringComparison.Ordinal)];
            var columns = line[(line.IndexOf('(', StringComparison.Ordinal) + 1)..line.IndexOf(')', StringComparison.Ordinal)].Split(", ");
            Assert.That(columns.Sum(c => Bytes(Tables.Shape.Single(l => l.StartsWith($"{table}: column {c} ", StringComparison.Ordinal)))), Is.LessThanOrEqualTo(900), line);
        }
    }

    [TestCase("SELECT sequence FROM outbox_mesages", "there is no table outbox_mesages")]
    [TestCase("SELECT m.sequense FROM outbox_messages AS m", "there is no column m.sequense")]
    [TestCase("SELECT m.sequence FROM outbox_messages AS n", "there is no column m.sequence")]
    [TestCase("DELETE m OUTPUT deleted.bodie INTO outbox_archive (body) FROM outbox_messages AS m", "there is no column deleted.bodie")]
    [TestCase("UPDATE leases SET holder = @owner", "there is no column holder")]
    [TestCase("INSERT INTO leases (name, owner, token, expiry) VALUES (@name, @owner, 1, @x)", "there is no column expiry")]
    [TestCase("SELECT id FROM OPENJSON(@ids) WITH (ident bigint '$') AS j", "there is no column id")]
    public void A_name_that_is_not_there_is_found(string statement, string wrong) =>
        Assert.That(new TransactSqlNames(TransactSql.Parse(statement).Script, Tables).Wrong, Has.Member(wrong));

    [Test]
    public void A_mistake_in_the_grammar_is_found() => Assert.That(TransactSql.Parse("SELECT * FROM outbox_messages LIMIT 10").Errors, Is.Not.Empty);

    [GeneratedRegex(@"""""""(?<raw>[\s\S]*?)""""""|(?<!"")""(?<text>(?:[^""\\\n]|\\.)*)""")]
    private static partial Regex Literal();

    [GeneratedRegex(@"\{[^{}]*\}")]
    private static partial Regex Hole();

    [GeneratedRegex(@"^\s*(SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP|DECLARE|SET)\s+\w+[^)]*\w")]
    private static partial Regex Begin();

    // PostgreSQL, MySQL and SQLite say these, SQL Server never.
    [GeneratedRegex("gen_random_uuid|PREPARED?\\b|pg_|x'|information_schema|pragma|sqlite_|generate_series|clock_timestamp|char\\(36\\)|\\(FORCE\\)|RAISE\\(", RegexOptions.IgnoreCase)]
    private static partial Regex OtherEngines();
}
